import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.openmuc.jdlms.AttributeAddress;
import org.openmuc.jdlms.AuthenticationMechanism;
import org.openmuc.jdlms.DlmsConnection;
import org.openmuc.jdlms.GetResult;
import org.openmuc.jdlms.SecuritySuite;
import org.openmuc.jdlms.SecuritySuite.EncryptionMechanism;
import org.openmuc.jdlms.SecuritySuite.SecurityPolicy;
import org.openmuc.jdlms.SelectiveAccessDescription;
import org.openmuc.jdlms.TcpConnectionBuilder;
import org.openmuc.jdlms.datatypes.BitString;
import org.openmuc.jdlms.datatypes.CosemDateFormat;
import org.openmuc.jdlms.datatypes.DataObject;

/**
 * jDLMS as a client. Prints one JSON array a line read, with a value an attribute: lists as arrays, octets in hex; a
 * refusal as its name.
 *
 * PORT hdlc|wrapper SAP PHYSICAL LENGTH [lls PASSWORD | gmac ENCRYPTION-KEY AUTHENTICATION-KEY COUNTER]
 * standard input: a GET a line, one with a list where commas part its attributes:
 * CLASS OBIS ATTRIBUTE [entries FIRST LAST | range FROM TO], the latter two as date-times in hex
 */
public final class JdlmsPeer {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        TcpConnectionBuilder builder = new TcpConnectionBuilder("127.0.0.1").setPort(Integer.parseInt(arguments[0]));
        builder = arguments[1].equals("hdlc") ? builder.useHdlc() : builder.useWrapper();
        builder.setClientId(Integer.parseInt(arguments[2])).setLogicalDeviceId(1).setResponseTimeout(20_000);
        builder.setPhysicalDeviceAddress(Integer.parseInt(arguments[3]));
        builder.setHdlcMaxInformationLength(Integer.parseInt(arguments[4]));
        if (arguments.length > 5) {
            builder.setSecuritySuite(security(arguments[5], arguments));
            builder.setSystemTitle("UTB", 1);
        }
        if (arguments.length > 8) {
            builder.setFrameCounter(Long.parseLong(arguments[8]));
        }
        String text = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII);
        try (DlmsConnection connection = builder.build()) {
            for (String line : text.split("\n")) {
                System.out.println(read(connection, line.split(",")));
            }
        }
    }

    private static String read(DlmsConnection connection, String[] attributes) throws IOException {
        List<AttributeAddress> addresses = new ArrayList<>();
        for (String attribute : attributes) {
            addresses.add(address(attribute.split(" ")));
        }
        List<String> texts = new ArrayList<>();
        for (GetResult result : connection.get(addresses)) {
            texts.add(result.requestSuccessful() ? json(result.getResultData()) : "\"" + result.getResultCode() + "\"");
        }
        return "[" + String.join(",", texts) + "]";
    }

    private static SecuritySuite security(String mechanism, String[] arguments) {
        if (mechanism.equals("lls")) {
            byte[] password = arguments[6].getBytes(StandardCharsets.US_ASCII);
            return SecuritySuite.builder()
                    .setAuthenticationMechanism(AuthenticationMechanism.LOW)
                    .setPassword(password)
                    .build();
        }
        return SecuritySuite.builder()
                .setAuthenticationMechanism(AuthenticationMechanism.HLS5_GMAC)
                .setEncryptionMechanism(EncryptionMechanism.AES_GCM_128)
                .setSecurityPolicy(SecurityPolicy.AUTHENTICATED_AND_ENCRYPTED)
                .setGlobalUnicastEncryptionKey(HEX.parseHex(arguments[6]))
                .setAuthenticationKey(HEX.parseHex(arguments[7]))
                .build();
    }

    private static AttributeAddress address(String[] words) {
        int classId = Integer.parseInt(words[0]);
        int attribute = Integer.parseInt(words[2]);
        if (words.length == 3) {
            return new AttributeAddress(classId, words[1], attribute);
        }
        boolean byEntry = words[3].equals("entries");
        DataObject selected = byEntry ? entries(words[4], words[5]) : range(words[4], words[5]);
        return new AttributeAddress(
                classId, words[1], attribute, new SelectiveAccessDescription(byEntry ? 2 : 1, selected));
    }

    /** All columns of entries, both included, counted from 1. */
    private static DataObject entries(String first, String last) {
        return DataObject.newStructureData(
                DataObject.newUInteger32Data(Long.parseLong(first)),
                DataObject.newUInteger32Data(Long.parseLong(last)),
                DataObject.newUInteger16Data(1),
                DataObject.newUInteger16Data(0));
    }

    /** All columns of entries by their time, attribute 2 of the clock. */
    private static DataObject range(String from, String to) {
        DataObject clock = DataObject.newStructureData(
                DataObject.newUInteger16Data(8),
                DataObject.newOctetStringData(HEX.parseHex("0000010000ff")),
                DataObject.newInteger8Data((byte) 2),
                DataObject.newUInteger16Data(0));
        return DataObject.newStructureData(
                clock,
                DataObject.newOctetStringData(HEX.parseHex(from)),
                DataObject.newOctetStringData(HEX.parseHex(to)),
                DataObject.newArrayData(new ArrayList<>()));
    }

    private static String json(DataObject data) {
        if (data.isComplex()) {
            List<DataObject> members = data.getValue();
            List<String> texts = new ArrayList<>();
            for (DataObject member : members) {
                texts.add(json(member));
            }
            return "[" + String.join(",", texts) + "]";
        }
        if (data.isByteArray()) {
            byte[] octets = data.getValue();
            return "\"" + HEX.formatHex(octets) + "\"";
        }
        if (data.isCosemDateFormat()) {
            CosemDateFormat moment = data.getValue();
            return "\"" + HEX.formatHex(moment.encode()) + "\"";
        }
        if (data.isBitString()) {
            BitString bits = data.getValue();
            return "\"" + HEX.formatHex(bits.getBitString()) + "\"";
        }
        return data.isNull() ? "null" : String.valueOf(data.<Object>getValue());
    }
}
