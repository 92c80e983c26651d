use super::networks;
use grail_protocol::words::Hotkey;
use std::fmt;

/// What a setting's value looks like. Every layer goes through the same check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Printable text without spaces around it.
    Text,
    /// A folder or file; `~/` is the home folder.
    Path,
    /// An address beginning with `http://` or `https://`.
    HttpUrl,
    /// Addresses beginning with `http://` or `https://`, joined by commas.
    HttpUrls,
    /// Addresses beginning with `ws://` or `wss://`, joined by commas.
    NodeUrls,
    /// The name of a network, or the address of a node.
    Network,
    /// A whole number in a range, both ends included.
    Integer {
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
    /// A whole number whose range is said by whoever reads it.
    Whole,
    /// A number whose range is said by whoever reads it.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, joined by commas.
    Words(&'static [&'static str]),
    /// `cpu`, `cuda` or `cuda:N`.
    Device,
    /// An address of a hotkey.
    Hotkey,
    /// Addresses of hotkeys, joined by commas.
    Hotkeys,
    /// 32 lower-case hexadecimal digits, as Cloudflare's accounts have.
    AccountId,
    /// Name of a bucket: 3 to 63 characters of a-z, 0-9, `-` and `.`.
    Bucket,
    /// Name of a wallet or hotkey: a file's name.
    FileName,
    /// The public half of a pair of keys, at most 32 printable characters.
    KeyId,
    /// The secret half of a pair of keys, at most 64 printable characters; never shown.
    KeySecret,
    /// Another secret; never shown.
    Secret,
}

impl ValueKind {
    /// Whether values of this kind are never shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::KeySecret | Self::Secret)
    }

    /// Whether values are lists, joined by commas.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::HttpUrls | Self::NodeUrls | Self::Words(_) | Self::Hotkeys)
    }

    /// Checks a value. Errors: what is wrong and what is expected, without the value itself.
    pub fn check(self, text: &str) -> Result<(), String> {
        if text != text.trim() {
            return Err("it has spaces around it".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("it holds a control character".to_owned());
        }
        let expected = || Err(format!("expected {self}"));
        let holds = |good: bool| if good { Ok(()) } else { expected() };
        match self {
            Self::Text | Self::Path | Self::Secret => holds(!text.is_empty()),
            Self::HttpUrl => holds(is_address(text, &["http://", "https://"])),
            Self::HttpUrls => holds(text.split(',').all(|url| is_address(url, &["http://", "https://"]))),
            Self::NodeUrls => holds(text.split(',').all(|url| is_address(url, &["ws://", "wss://"]))),
            Self::Network => {
                holds(networks::by_name(text).is_some() || is_address(text, &["ws://", "wss://"]))
            }
            Self::Integer { least, most } => holds(
                is_whole(text) && text.parse().is_ok_and(|number: u64| (least..=most).contains(&number)),
            ),
            Self::Whole => holds(is_whole(text) && text.parse::<i64>().is_ok()),
            Self::Number => holds(text.parse().is_ok_and(|number: f64| number.is_finite())),
            Self::Flag => holds(matches!(text, "true" | "false")),
            Self::Choice(words) => holds(words.contains(&text)),
            Self::Words(words) => holds(text.split(',').all(|word| words.contains(&word))),
            Self::Device => {
                let numbered = text.strip_prefix("cuda:").is_some_and(|number| number.parse::<u8>().is_ok());
                holds(numbered || matches!(text, "cpu" | "cuda"))
            }
            Self::Hotkey => is_hotkey(text),
            Self::Hotkeys => text.split(',').try_for_each(is_hotkey),
            Self::AccountId => {
                let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                holds(text.len() == 32 && text.bytes().all(hex))
            }
            Self::Bucket => {
                let fits =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
                holds((3..=63).contains(&text.len()) && text.bytes().all(fits))
            }
            Self::FileName => {
                holds((1..=64).contains(&text.len()) && !text.starts_with('.') && !text.contains(['/', '\\']))
            }
            Self::KeyId => {
                holds((1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()))
            }
            Self::KeySecret => {
                holds((1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()))
            }
        }
    }
}

fn is_whole(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hotkey(text: &str) -> Result<(), String> {
    text.parse::<Hotkey>().map(drop).map_err(|error| error.to_string())
}

fn is_address(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    // Names and passwords in an address would be shown with it.
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', ' ', '"', '<', '>']))
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Path => f.write_str("a path"),
            Self::HttpUrl => f.write_str("an address with https:// (or http://), without a password in it"),
            Self::HttpUrls => f.write_str(
                "addresses with https:// (or http://), joined by commas, without a password in them",
            ),
            Self::NodeUrls => f.write_str("addresses with wss:// (or ws://), joined by commas"),
            Self::Network => {
                let names: Vec<_> = networks::ALL.iter().map(|network| network.name).collect();
                write!(f, "{} or an address with wss:// (or ws://)", names.join(", "))
            }
            Self::Integer { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Whole => f.write_str("a whole number"),
            Self::Number => f.write_str("a number"),
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::Words(words) => write!(f, "some of {}, joined by commas", words.join(", ")),
            Self::Device => f.write_str("cpu, cuda or cuda:N"),
            Self::Hotkey => f.write_str("an SS58 address"),
            Self::Hotkeys => f.write_str("SS58 addresses, joined by commas"),
            Self::AccountId => f.write_str("32 lower-case hexadecimal digits"),
            Self::Bucket => f.write_str("a name of 3 to 63 characters of a-z, 0-9, - and ."),
            Self::FileName => f.write_str("a file's name"),
            Self::KeyId => f.write_str("up to 32 printable characters"),
            Self::KeySecret => f.write_str("a secret of up to 64 printable characters"),
            Self::Secret => f.write_str("a secret"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_knows_good_from_bad() {
        let hotkey = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        let hex = "0123456789abcdef0123456789abcdef";
        let batch = ValueKind::Choice(&["1", "2"]);
        let cases: &[(ValueKind, &[&str], &[&str])] = &[
            (ValueKind::Text, &["a", "a b"], &["", " a", "a ", "a\u{7}"]),
            (
                ValueKind::HttpUrl,
                &["https://x", "http://127.0.0.1:9"],
                &["x", "https://", "https://a:b@x", "ftp://x"],
            ),
            (ValueKind::HttpUrls, &["https://x,http://y"], &["https://x,", "https://x, http://y"]),
            (ValueKind::NodeUrls, &["wss://x:443", "ws://a,ws://b"], &["https://x", ""]),
            (ValueKind::Network, &["finney", "test", "local", "wss://x"], &["Finney", "main", "https://x"]),
            (ValueKind::Integer { least: 1, most: 9 }, &["1", "9"], &["0", "10", "-1", "+1", "1.0", ""]),
            (ValueKind::Whole, &["0", "123"], &["", "-1", "1.5", "99999999999999999999"]),
            (ValueKind::Number, &["1e-6", "0", "-2.5", "3"], &["", "inf", "nan", "x"]),
            (ValueKind::Words(&["a", "b"]), &["a", "b,a"], &["", "a,", "c"]),
            (ValueKind::Flag, &["true", "false"], &["1", "yes", "True"]),
            (batch, &["1", "2"], &["3", ""]),
            (ValueKind::Device, &["cpu", "cuda", "cuda:1"], &["gpu", "cuda:", "cuda:x", "cuda:999"]),
            (ValueKind::Hotkey, &[hotkey], &["5Grwva", ""]),
            (ValueKind::AccountId, &[hex], &["abc", "0123456789ABCDEF0123456789abcdef"]),
            (ValueKind::Bucket, &[hex, "a-b.c"], &["ab", "A_b", "a/b"]),
            (ValueKind::FileName, &["default", "my key"], &["", "..", "a/b"]),
            (ValueKind::KeyId, &["AKIA0"], &["", "a b", "ſ", "0123456789abcdef0123456789abcdef0"]),
            (ValueKind::KeySecret, &["s"], &["", "a b"]),
        ];
        for (kind, good, bad) in cases {
            for text in *good {
                assert_eq!(kind.check(text), Ok(()), "{kind:?} {text:?}");
            }
            for text in *bad {
                assert!(kind.check(text).is_err(), "{kind:?} {text:?}");
            }
        }
    }
}
