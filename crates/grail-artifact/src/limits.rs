//! Bounds on everything a stranger can make large. Readers check them before they allocate.

/// Bounds on a window file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the stored object.
    pub file_bytes: u64,
    /// Most bytes after decompression, all columns together.
    pub decompressed_bytes: u64,
    /// Most groups of the file; the header's number and the rows are held against it.
    pub groups: u32,
    /// Most rollouts of the file, which are rows in Parquet.
    pub rollouts: u32,
    /// Most completion tokens of one rollout.
    pub tokens_per_rollout: u32,
    /// Most completion tokens of the file.
    pub tokens: u64,
    /// Most bytes of a text field.
    pub text_bytes: usize,
}

/// The bounds of GRAIL/1: 350 MiB stored, 1 GiB decompressed, 4,096 groups of 16 rollouts of 1,024 tokens.
pub const LIMITS: Limits = Limits {
    file_bytes: 350 << 20,
    decompressed_bytes: 1 << 30,
    groups: 4_096,
    rollouts: 4_096 * 16,
    tokens_per_rollout: 1_024,
    tokens: 4_096 * 16 * 1_024,
    text_bytes: 256,
};
