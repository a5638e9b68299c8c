import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.StringJoiner;
import org.openmuc.j62056.DataMessage;
import org.openmuc.j62056.DataSet;
import org.openmuc.j62056.internal.AcknowledgeMessage;
import org.openmuc.j62056.internal.AcknowledgeMode;
import org.openmuc.j62056.internal.IdentificationMessage;
import org.openmuc.j62056.internal.ProtocolControlCharacter;
import org.openmuc.j62056.internal.ProtocolMode;
import org.openmuc.j62056.internal.RequestMessage;

/**
 * j62056 as a second reader of D0, over streams instead of its serial port, which needs a native library. Prints one
 * JSON object a read-out: maker and id, and its data sets as arrays of code, value, unit.
 *
 * decode: each line of standard input is a read-out in hex. ask ADDRESS PORT: it asks a meter.
 */
public final class J62056Peer {
    private static final int PATIENCE_MS = 20_000;

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("ask")) {
            ask(arguments[1], Integer.parseInt(arguments[2]));
            return;
        }
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).split("\n")) {
            DataInputStream octets = sevenBits(new ByteArrayInputStream(HexFormat.of().parseHex(line)));
            try {
                System.out.println(json(read(octets, new IdentificationMessage(octets))));
            } catch (IOException error) {
                System.out.println(quoted(String.valueOf(error.getMessage())));
            }
        }
    }

    private static void ask(String address, int port) throws Exception {
        try (Socket socket = new Socket(address, port)) {
            socket.setSoTimeout(PATIENCE_MS);
            DataInputStream in = sevenBits(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            new RequestMessage("").send(out);
            IdentificationMessage told = new IdentificationMessage(in);
            if (told.getProtocolMode() == ProtocolMode.C) {
                new AcknowledgeMessage(
                        told.getBaudRate(), ProtocolControlCharacter.NORMAL, AcknowledgeMode.DATA_READOUT)
                    .send(out);
            }
            System.out.println(json(read(in, told)));
        }
    }

    /** The library's own reader, which it keeps to itself. */
    private static DataMessage read(DataInputStream in, IdentificationMessage told) throws Exception {
        Method reader = DataMessage.class.getDeclaredMethod(
                "readModeAbcDataMessage", DataInputStream.class, IdentificationMessage.class);
        reader.setAccessible(true);
        try {
            return (DataMessage) reader.invoke(null, in, told);
        } catch (InvocationTargetException error) {
            if (error.getCause() instanceof IOException cause) {
                throw cause;
            }
            throw error;
        }
    }

    /** As a UART with seven data bits gives octets. */
    private static DataInputStream sevenBits(InputStream in) {
        return new DataInputStream(new FilterInputStream(in) {
            @Override
            public int read() throws IOException {
                int octet = super.read();
                return octet < 0 ? octet : octet & 0x7f;
            }

            @Override
            public int read(byte[] into, int from, int length) throws IOException {
                int count = super.read(into, from, length);
                for (int place = from; place < from + count; place++) {
                    into[place] &= 0x7f;
                }
                return count;
            }
        });
    }

    private static String json(DataMessage message) {
        StringJoiner sets = new StringJoiner(", ", "[", "]");
        for (DataSet set : message.getDataSets()) {
            sets.add("[" + quoted(set.getAddress()) + ", " + quoted(set.getValue()) + ", " + quoted(set.getUnit()) + "]");
        }
        String name = message.getManufacturerId() + " " + message.getMeterId();
        return "{\"meter\": " + quoted(name) + ", \"sets\": " + sets + "}";
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
