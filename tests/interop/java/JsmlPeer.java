import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.openmuc.jsml.structures.ASNObject;
import org.openmuc.jsml.structures.Choice;
import org.openmuc.jsml.structures.ImplicitChoice;
import org.openmuc.jsml.structures.ListOf;
import org.openmuc.jsml.structures.OctetString;
import org.openmuc.jsml.structures.SmlFile;
import org.openmuc.jsml.structures.SmlMessage;
import org.openmuc.jsml.transport.TConnection;
import org.openmuc.jsml.transport.TSAP;
import org.openmuc.jsml.transport.Transport;

/**
 * jSML as a second reader and as a client. Prints one JSON array a file: its messages, each an array of transaction id,
 * group, abort on error, message type, body. A body is written as SML builds it: lists as arrays, octets in hex.
 *
 * decode: each line of standard input is a frame in hex; a frame that jSML refuses gives its reason as a text.
 * ask ADDRESS PORT: each line is the messages of a request file in hex; jSML decodes it, encodes it anew and sends that.
 */
public final class JsmlPeer {
    private static final int PATIENCE_MS = 10_000;

    public static void main(String[] arguments) throws Exception {
        String[] lines = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).split("\n");
        if (arguments[0].equals("decode")) {
            decode(lines);
        } else {
            ask(arguments[1], Integer.parseInt(arguments[2]), lines);
        }
    }

    private static void decode(String[] frames) {
        for (String frame : frames) {
            Transport transport = new Transport();
            transport.setTimeout(PATIENCE_MS);
            try {
                System.out.println(json(transport.getSMLFile(stream(frame))));
            } catch (IOException | RuntimeException error) {
                System.out.println(quoted(error.getClass().getSimpleName() + ": " + error.getMessage()));
            }
        }
    }

    private static void ask(String address, int port, String[] requests) throws IOException {
        TSAP client = new TSAP();
        client.setMessageTimeout(PATIENCE_MS);
        client.setMessageFragmentTimeout(PATIENCE_MS);
        TConnection connection = client.connectTo(InetAddress.getByName(address), port, PATIENCE_MS);
        for (String request : requests) {
            connection.send(encodedAnew(request));
            System.out.println(json(connection.getSMLFile()));
        }
        connection.close();
    }

    /** What jSML itself makes of the messages. */
    private static byte[] encodedAnew(String hex) throws IOException {
        DataInputStream stream = stream(hex);
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        while (stream.available() > 0) {
            SmlMessage message = new SmlMessage();
            if (!message.decodeAndCheck(stream)) {
                throw new IOException("jSML does not read the request " + hex);
            }
            message.encode(new DataOutputStream(octets));
        }
        return octets.toByteArray();
    }

    private static DataInputStream stream(String hex) {
        return new DataInputStream(new ByteArrayInputStream(HexFormat.of().parseHex(hex)));
    }

    private static String json(SmlFile file) {
        List<String> messages = new ArrayList<>();
        for (SmlMessage message : file.getMessages()) {
            ASNObject body = message.getMessageBody().getChoice();
            messages.add(
                    "[" + json(message.getTransactionId()) + "," + json(message.getGroupNo()) + ","
                            + json(message.getAbortOnError()) + "," + message.getMessageBody().getTag().id() + ","
                            + json(body) + "]");
        }
        return "[" + String.join(",", messages) + "]";
    }

    private static String json(ASNObject object) {
        if (object == null || !object.isSelected()) {
            return "null";
        }
        if (object instanceof OctetString) {
            return quoted(HexFormat.of().formatHex(((OctetString) object).getValue()));
        }
        if (object instanceof ImplicitChoice) {
            return json(((ImplicitChoice) object).getChoice());
        }
        if (object instanceof Choice) {
            return "[" + json(((Choice) object).getTag()) + "," + json(((Choice) object).getChoice()) + "]";
        }
        if (object instanceof ListOf) {
            List<String> elements = new ArrayList<>();
            for (ASNObject element : ((ListOf) object).seqArray()) {
                elements.add(json(element));
            }
            return "[" + String.join(",", elements) + "]";
        }
        return number(object);
    }

    /** jSML's integers have no common way to say their value. */
    private static String number(ASNObject object) {
        try {
            return String.valueOf(object.getClass().getMethod("getVal").invoke(object));
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(object.getClass() + " has no value", error);
        }
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "'") + "\"";
    }
}
