"""The command line, the embedded servers, the sample data and the simulator."""
