//! Where objects lie in a bucket.

use grail_protocol::words::{Hotkey, WindowStart};
use std::fmt;

/// Encodings of a window file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowEncoding {
    /// The canonical one.
    Parquet,
    /// The same record as JSON, for networks that choose it.
    Json,
}

impl WindowEncoding {
    /// File name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }
}

/// Key of a window file: `windows/{hotkey ss58}-window-{window}.{extension}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// Whose file.
    pub hotkey: Hotkey,
    /// Of which window.
    pub window: WindowStart,
    /// In which encoding.
    pub encoding: WindowEncoding,
}

impl fmt::Display for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "windows/{}-window-{}.{}", self.hotkey, self.window, self.encoding.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_book_says() {
        let key = WindowKey {
            hotkey: "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".parse().unwrap(),
            window: WindowStart(71_950),
            encoding: WindowEncoding::Parquet,
        };
        assert_eq!(
            key.to_string(),
            "windows/5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY-window-71950.parquet"
        );
    }
}
