/// How objects travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Most milliseconds of one call, waiting for a free slot included.
    pub deadline_ms: u64,
    /// Most milliseconds until a connection stands.
    pub connect_ms: u64,
    /// Most calls under way at once.
    pub calls: usize,
    /// Objects of more bytes are sent in parts.
    pub part_bytes: usize,
    /// Most parts of one object under way at once.
    pub parts: usize,
    /// Most repetitions of a request that failed on the way.
    pub retries: usize,
}

impl Default for Transfer {
    /// 90 seconds a call, 3 to connect, 64 calls, parts of 50 MB by fours, 2 repetitions.
    fn default() -> Self {
        Self {
            deadline_ms: 90_000,
            connect_ms: 3_000,
            calls: 64,
            part_bytes: 50_000_000,
            parts: 4,
            retries: 2,
        }
    }
}
