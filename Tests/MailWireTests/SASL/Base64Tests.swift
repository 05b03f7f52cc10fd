import MailWire
import Testing

@Suite struct Base64Tests {
    /// RFC 4648 §10, and the two characters that it does not have.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"), ("?>~?", "Pz5+Pw=="), ("???", "Pz8/"),
    ])
    func `encodes and decodes`(text: String, encoded: String) {
        #expect(Base64.encode(text.utf8) == Array(encoded.utf8))
        #expect(Base64.decode(Array(encoded.utf8)) == Array(text.utf8))
    }

    @Test func `every octet at every place survives`() {
        for octet in UInt8.min...UInt8.max {
            for place in 0..<3 {
                var octets: [UInt8] = [0x55, 0xaa, 0xff]
                octets[place] = octet
                for count in place + 1...3 {
                    let part = Array(octets.prefix(count))
                    #expect(Base64.decode(Base64.encode(part)) == part)
                }
            }
        }
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "=Zg=", "Zg==Zg==", "Zm9v\r\n", "Zm 9v", "Zm9-", "Zm9_", "Zm9*",
        // Bits left over.
        "Zh==", "Zm9=",
    ])
    func `refuses what no encoder writes`(text: String) {
        #expect(Base64.decode(Array(text.utf8)) == nil)
    }
}
