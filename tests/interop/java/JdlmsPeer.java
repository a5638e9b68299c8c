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
 * jDLMS as a client. Prints one JSON value a line read: lists as arrays, octets in hex; a refusal as its name.
 *
 * PORT hdlc|wrapper SAP LENGTH [lls PASSWORD | gmac ENCRYPTION-KEY AUTHENTICATION-KEY COUNTER]
 * standard input: CLASS OBIS ATTRIBUTE [FIRST-ENTRY LAST-ENTRY]
 */
public final class JdlmsPeer {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        TcpConnectionBuilder builder = new TcpConnectionBuilder("127.0.0.1").setPort(Integer.parseInt(arguments[0]));
        builder = arguments[1].equals("hdlc") ? builder.useHdlc() : builder.useWrapper();
        builder.setClientId(Integer.parseInt(arguments[2])).setLogicalDeviceId(1).setResponseTimeout(20_000);
        builder.setHdlcMaxInformationLength(Integer.parseInt(arguments[3]));
        if (arguments.length > 4) {
            builder.setSecuritySuite(security(arguments));
            builder.setSystemTitle("UTB", 1);
        }
        if (arguments.length > 7) {
            builder.setFrameCounter(Long.parseLong(arguments[7]));
        }
        String text = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII);
        try (DlmsConnection connection = builder.build()) {
            for (String line : text.split("\n")) {
                GetResult result = connection.get(address(line.split(" ")));
                boolean well = result.requestSuccessful();
                System.out.println(well ? json(result.getResultData()) : "\"" + result.getResultCode() + "\"");
            }
        }
    }

    private static SecuritySuite security(String[] arguments) {
        if (arguments[4].equals("lls")) {
            byte[] password = arguments[5].getBytes(StandardCharsets.US_ASCII);
            return SecuritySuite.builder()
                    .setAuthenticationMechanism(AuthenticationMechanism.LOW)
                    .setPassword(password)
                    .build();
        }
        return SecuritySuite.builder()
                .setAuthenticationMechanism(AuthenticationMechanism.HLS5_GMAC)
                .setEncryptionMechanism(EncryptionMechanism.AES_GCM_128)
                .setSecurityPolicy(SecurityPolicy.AUTHENTICATED_AND_ENCRYPTED)
                .setGlobalUnicastEncryptionKey(HEX.parseHex(arguments[5]))
                .setAuthenticationKey(HEX.parseHex(arguments[6]))
                .build();
    }

    private static AttributeAddress address(String[] words) {
        int classId = Integer.parseInt(words[0]);
        int attribute = Integer.parseInt(words[2]);
        if (words.length == 3) {
            return new AttributeAddress(classId, words[1], attribute);
        }
        DataObject entries = DataObject.newStructureData(
                DataObject.newUInteger32Data(Long.parseLong(words[3])),
                DataObject.newUInteger32Data(Long.parseLong(words[4])),
                DataObject.newUInteger16Data(1),
                DataObject.newUInteger16Data(0));
        return new AttributeAddress(classId, words[1], attribute, new SelectiveAccessDescription(2, entries));
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
