import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.openmuc.jmbus.DataRecord;
import org.openmuc.jmbus.MBusConnection;
import org.openmuc.jmbus.SecondaryAddress;
import org.openmuc.jmbus.VariableDataStructure;
import org.openmuc.jmbus.wireless.WMBusMessage;

/**
 * jMBus as a peer: "decode" and "time" take frames in hex, one a line; "read HOST PORT ADDRESS" asks a meter with a
 * primary address for all its telegrams; "scan HOST PORT" prints the secondary addresses on a line; "radio" takes
 * radio telegrams without check sums and their keys, two lines each.
 */
public final class JmbusPeer {
    private static final int HEAD = 7, CI = 6, TAIL = 2, WARM = 200;

    private JmbusPeer() {
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "decode" -> decode();
            case "time" -> time();
            case "read" -> read(arguments);
            case "radio" -> radio();
            default -> scan(arguments);
        }
    }

    private static List<byte[]> frames() throws Exception {
        List<byte[]> frames = new ArrayList<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            byte[] octets = new byte[line.length() / 2];
            for (int place = 0; place < octets.length; place++) {
                octets[place] = (byte) Integer.parseInt(line.substring(2 * place, 2 * place + 2), 16);
            }
            frames.add(octets);
        }
        return frames;
    }

    private static VariableDataStructure structure(byte[] frame) {
        return new VariableDataStructure(frame, CI, frame.length - CI - TAIL, null, new HashMap<>());
    }

    private static void decode() throws Exception {
        for (byte[] frame : frames()) {
            try {
                VariableDataStructure found = structure(frame);
                found.decode();
                show(found.getDataRecords());
                System.out.println("end");
            } catch (Exception error) {
                System.out.println("refused " + (error.getCause() == null ? error : error.getCause()).getMessage());
            }
        }
    }

    private static void radio() throws Exception {
        List<byte[]> lines = frames();
        // Its connections call this with what a stick sends; it is not public.
        Method decode = WMBusMessage.class.getDeclaredMethod("decode", byte[].class, Integer.class, Map.class);
        decode.setAccessible(true);
        for (int place = 0; place < lines.size(); place += 2) {
            byte[] telegram = lines.get(place), key = lines.get(place + 1);
            Map<SecondaryAddress, byte[]> keys = new HashMap<>();
            if (key.length > 0) {
                keys.put(SecondaryAddress.newFromWMBusHeader(telegram, 2), key);
                for (int header = 10; header + 9 < telegram.length; header++) {
                    if (telegram[header] == 0x72) {
                        keys.put(SecondaryAddress.newFromLongHeader(telegram, header + 1), key);
                    }
                }
            }
            try {
                WMBusMessage message = (WMBusMessage) decode.invoke(null, telegram, 0, keys);
                VariableDataStructure found = message.getVariableDataResponse();
                found.decode();
                show(found.getDataRecords());
                System.out.println("end");
            } catch (Exception error) {
                System.out.println("refused " + (error.getCause() == null ? error : error.getCause()).getMessage());
            }
        }
    }

    private static void show(List<DataRecord> records) {
        for (DataRecord record : records) {
            System.out.println(String.join(" ", "record", String.valueOf(record.getStorageNumber()),
                    String.valueOf(record.getTariff()), String.valueOf(record.getSubunit()),
                    String.valueOf(record.getDataValueType()), String.valueOf(record.getMultiplierExponent()),
                    String.valueOf(record.getDataValue()).replace(' ', '_')));
        }
    }

    private static void time() throws Exception {
        List<byte[]> frames = frames();
        long total = 0;
        var threads = ManagementFactory.getThreadMXBean();
        for (int round = 0; round < 2 * WARM; round++) {
            long began = threads.getCurrentThreadCpuTime();
            for (byte[] frame : frames) {
                structure(frame).decode();
            }
            total += round < WARM ? 0 : threads.getCurrentThreadCpuTime() - began;
        }
        System.out.println(total / 1e9 / WARM / frames.size());
    }

    private static MBusConnection connection(String[] arguments) throws Exception {
        return MBusConnection.newTcpBuilder(arguments[1], Integer.parseInt(arguments[2])).setTimeout(3000).build();
    }

    private static void read(String[] arguments) throws Exception {
        int address = Integer.parseInt(arguments[3]);
        try (MBusConnection connection = connection(arguments)) {
            connection.linkReset(address);
            VariableDataStructure found;
            do {
                found = connection.read(address);
                show(found.getDataRecords());
            } while (found.moreRecordsFollow());
        }
    }

    private static void scan(String[] arguments) throws Exception {
        try (MBusConnection connection = connection(arguments)) {
            for (SecondaryAddress address : connection.scan("ffffffff", null, 0)) {
                System.out.println(address.getManufacturerId() + " " + address.getDeviceId() + " " + address.getVersion());
            }
        }
    }
}
