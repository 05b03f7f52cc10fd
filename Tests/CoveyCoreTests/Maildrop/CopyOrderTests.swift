import CoveyCore
import Testing

@Suite struct CopyOrderTests {
    /// Sizes of one message on servers 0, 1 and 2 (nil: it has none), in order of preference, and which come out.
    @Test(
        arguments: [
            ([9, 9, 9], [0, 1, 2], [], [0, 0, 0], [0, 1, 2]), ([9, 9, 9], [0, 1, 2], [], [2, 1, 0], [2, 1, 0]),
            ([9, 9, 9], [0, 1, 2], [], [1, 0, 0], [1, 2, 0]),
            // However busy, the own host's comes first.
            ([9, 9, 9], [1, 0, 2], [1], [0, 7, 0], [1, 0, 2]), ([9, nil, 9], [1, 0, 2], [1], [3, 0, 2], [2, 0]),
            ([9, 9, 9], [1, 2, 0], [1, 2], [0, 7, 3], [2, 1, 0]),
            // LIST showed 9.
            ([9, 8, 9], [0, 1, 2], [], [5, 0, 4], [2, 0, 1]), ([8, 9, 8], [1, 0, 2], [], [0, 5, 1], [1, 0, 2]),
            ([nil, nil, nil], [0, 1, 2], [], [0, 0, 0], []),
        ] as [([Int?], [Int], Set<Int>, [Int], [Int])])
    func `local first, else the least busy, of the size that was shown`(
        sizes: [Int?], preference: [Int], local: Set<Int>, load: [Int], expected: [Int]
    ) {
        let listings = sizes.enumerated().map { server, size in
            ServerListing(
                server: server, messages: size.map { [.init(number: 1, id: "cv1", octets: $0)] } ?? [])
        }
        let maildrop = MergedMaildrop(listings: listings, preference: preference)
        let copies = maildrop.count == 0 ? [] : maildrop.copies(of: 0)
        #expect(CopyOrder.order(copies, local: local, load: load).map(\.server) == expected)
    }

    @Test func `several copies on one server stay together in their order`() {
        let messages = [1, 2].map { ServerListing.Message(number: $0, id: "cv1", octets: 9) }
        let maildrop = MergedMaildrop(
            listings: [.init(server: 0, messages: messages), .init(server: 1, messages: messages)], preference: [0, 1])
        let order = CopyOrder.order(maildrop.copies(of: 0), local: [], load: [1, 0])
        #expect(order.map(\.server) == [1, 1, 0, 0])
        #expect(order.map(\.number) == [1, 2, 1, 2])
    }
}
