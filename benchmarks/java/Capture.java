package peer;

import com.sun.management.OperatingSystemMXBean;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * One catching up: Debezium's embedded engine from a position to the last of a known number of changes.
 *
 * <p>Delivery is Debezium's own, at least once: a batch is marked as processed when Redis has taken it.
 */
final class Capture {
    private static final long NS_PER_S = 1_000_000_000L;
    /** How long a run goes on after its last expected change, so that what comes twice is seen. */
    private static final long LINGER_MS = 300;
    private static final long DEADLINE_MIN = 10;

    private final StreamWriter writer;
    private final long expected;
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private volatile long written;
    private volatile long batches;
    private volatile long firstNs;
    private volatile long lastNs;

    private Capture(StreamWriter writer, long expected) {
        this.writer = writer;
        this.expected = expected;
    }

    /** What a run came to. Seconds are from the first batch's arrival to the last one's being written. */
    record Outcome(long entries, long batches, double seconds, double totalS, double cpuS) {
        String json() {
            return String.format(
                    Locale.ROOT,
                    "{\"entries\": %d, \"batches\": %d, \"seconds\": %.3f, \"total_s\": %.3f, \"cpu_s\": %.3f}",
                    entries, batches, seconds, totalS, cpuS);
        }
    }

    /** Throws when the engine ends by itself, and when not every change has come within ten minutes. */
    static Outcome run(Properties settings, StreamWriter writer, long from, long expected) throws Exception {
        Path offsets = Files.createTempFile("debezium-offsets", ".dat");
        try {
            return new Capture(writer, expected).caughtUp(at(settings, from, offsets));
        } finally {
            Files.deleteIfExists(offsets);
        }
    }

    private static Properties at(Properties settings, long from, Path offsets) {
        Properties all = new Properties();
        all.putAll(settings);
        all.setProperty("capture.start.op.time", Long.toString(from));
        all.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
        all.setProperty("offset.storage.file.filename", offsets.toString());
        return all;
    }

    private Outcome caughtUp(Properties settings) throws Exception {
        long startNs = System.nanoTime();
        long cpuBeforeNs = cpuNs();
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
                .using(settings)
                .notifying(this::handle)
                .using((success, message, error) -> ended(message, error))
                .build();
        Thread thread = new Thread(engine, "debezium");
        thread.start();
        try {
            await();
            Thread.sleep(LINGER_MS);
        } finally {
            close(engine);
            thread.join();
        }
        long endNs = System.nanoTime();
        return new Outcome(
                written,
                batches,
                (double) (lastNs - firstNs) / NS_PER_S,
                (double) (endNs - startNs) / NS_PER_S,
                (double) (cpuNs() - cpuBeforeNs) / NS_PER_S);
    }

    private static void close(DebeziumEngine<?> engine) throws IOException {
        try {
            engine.close();
        } catch (IllegalStateException e) { // it has ended by itself, which `await` tells with its reason
            System.err.println(e.getMessage());
        }
    }

    private void await() throws Exception {
        try {
            done.get(DEADLINE_MIN, TimeUnit.MINUTES);
        } catch (TimeoutException e) {
            throw new IllegalStateException(
                    "after " + DEADLINE_MIN + " minutes " + written + " of " + expected + " changes were written", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("Debezium's engine ended: " + e.getCause(), e);
        }
    }

    /** One batch, on the engine's thread. */
    private void handle(
            List<ChangeEvent<String, String>> batch,
            DebeziumEngine.RecordCommitter<ChangeEvent<String, String>> committer)
            throws InterruptedException {
        if (batches == 0) {
            firstNs = System.nanoTime();
        }
        writer.write(batch);
        for (ChangeEvent<String, String> event : batch) {
            committer.markProcessed(event);
        }
        committer.markBatchFinished();
        batches++;
        written += batch.size();
        lastNs = System.nanoTime();
        if (written >= expected) {
            done.complete(null);
        }
    }

    private void ended(String message, Throwable error) {
        done.completeExceptionally(error != null ? error : new IllegalStateException(message));
    }

    private static long cpuNs() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
