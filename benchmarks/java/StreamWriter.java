package peer;

import io.debezium.engine.ChangeEvent;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.params.XAddParams;

/**
 * Writes change events to one Redis stream: an entry each, of one field that is named by the event's key and holds its
 * value, as Debezium Server's Redis sink does by default ("compact"). One round trip a batch.
 */
final class StreamWriter implements AutoCloseable {
    private static final int TIMEOUT_MS = 60_000;
    private static final XAddParams NEXT_ID = XAddParams.xAddParams();

    private final Jedis jedis;
    private final byte[] stream;

    StreamWriter(String redis, String stream) {
        this.jedis = new Jedis(URI.create(redis), TIMEOUT_MS);
        this.stream = stream.getBytes(StandardCharsets.UTF_8);
    }

    /** Returns when Redis has taken the whole batch; throws when it refused an entry of it. */
    void write(List<ChangeEvent<String, String>> batch) {
        Pipeline pipeline = jedis.pipelined();
        for (ChangeEvent<String, String> event : batch) {
            pipeline.xadd(stream, NEXT_ID, Map.of(utf8(event.key()), utf8(event.value())));
        }
        for (Object reply : pipeline.syncAndReturnAll()) {
            if (reply instanceof RuntimeException refusal) {
                throw refusal;
            }
        }
    }

    private static byte[] utf8(String text) {
        return text == null ? new byte[0] : text.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        jedis.close();
    }
}
