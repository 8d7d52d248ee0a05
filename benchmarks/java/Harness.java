package peer;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/**
 * A long-lived process that lets Debezium's embedded engine catch up as often as it is told to.
 *
 * <p>{@code java … peer.Harness ENGINE.properties redis://HOST:PORT} reads one line a run from standard input, {@code
 * run STREAM FROM EXPECTED}: write every change after FROM (a BSON timestamp as one number) to STREAM, which is
 * EXPECTED entries. It answers each with one line of JSON on standard output. It ends when its input does. The same
 * process makes every run, so that all but the first find the code compiled.
 */
public final class Harness {
    private Harness() {}

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: peer.Harness ENGINE.properties redis://HOST:PORT");
            System.exit(2);
        }
        Properties engine = read(Path.of(args[0]));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            if (words.length != 4 || !words[0].equals("run")) {
                answers.println(failed("expected: run STREAM FROM EXPECTED; found: " + line));
                continue;
            }
            answers.println(answer(engine, args[1], words[1], Long.parseLong(words[2]), Long.parseLong(words[3])));
        }
    }

    private static String answer(Properties engine, String redis, String stream, long from, long expected) {
        try (StreamWriter writer = new StreamWriter(redis, stream)) {
            return Capture.run(engine, writer, from, expected).json();
        } catch (Exception e) {
            e.printStackTrace();
            return failed(String.valueOf(e));
        }
    }

    private static String failed(String reason) {
        String text = reason.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}+", " ");
        return "{\"error\": \"" + text + "\"}";
    }

    private static Properties read(Path file) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        return properties;
    }
}
