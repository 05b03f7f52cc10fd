extension ClusterConfiguration {
    /// Names of the tables in which this configuration differs from another, as in the file; keys and passwords that were
    /// read from other files included.
    public func changedTables(since old: ClusterConfiguration) -> [String] {
        [
            ("cluster", cluster != old.cluster), ("hub", hubs != old.hubs), ("mailbox", mailboxes != old.mailboxes),
            ("proxy", proxies != old.proxies), ("dns", dns != old.dns), ("milter", milter != old.milter),
            ("pop3", pop3 != old.pop3), ("journal", journal != old.journal), ("monitor", monitor != old.monitor),
        ].filter(\.1).map(\.0)
    }
}
