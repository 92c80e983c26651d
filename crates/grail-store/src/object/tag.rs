//! Tags of objects: an entity tag, or a version's name where there is none. Each is compared with its like alone.

use object_store::{ObjectMeta, PutResult};

/// What buckets call every version while versioning is suspended; it tells nothing apart.
const NO_VERSION: &str = "null";

/// An entity tag as it is compared: a proxy may make a strong one weak on one way and not on another, and some servers
/// leave the quotes out here and there. Weak or strong, it changes with the bytes.
fn entity(tag: Option<&str>) -> Option<&str> {
    let tag = tag?.trim();
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    let bare = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    (!bare.is_empty()).then_some(bare)
}

/// The number of parts that an entity tag ends in, where it is one over parts.
fn parts(tag: &str) -> Option<u32> {
    tag.rsplit_once('-')?.1.parse().ok()
}

fn version(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty() && *name != NO_VERSION)
}

/// A tag for the doors: equal for equal bytes, another for others.
///
/// The entity tag, since R2 and versioned buckets give a version to each write, also of the same bytes.
pub(super) fn of(meta: &ObjectMeta) -> Option<String> {
    match entity(meta.e_tag.as_deref()) {
        Some(bare) => Some(format!("\"{bare}\"")),
        None => version(meta.version.as_deref()).map(str::to_owned),
    }
}

/// Whether an object is the one that a write's answer spoke of, or one of the same bytes, as far as both tell.
pub(super) fn is_same(put: &PutResult, meta: &ObjectMeta) -> bool {
    let tags = entity(put.e_tag.as_deref()).zip(entity(meta.e_tag.as_deref()));
    // Some servers answer an upload in parts with a tag over the parts, and tell one over the bytes afterwards.
    let tags = tags.filter(|(a, b)| parts(a) == parts(b));
    let versions = version(put.version.as_deref()).zip(version(meta.version.as_deref()));
    match (versions, tags) {
        // One that holds is enough: a version is of one write, and an entity tag of the same bytes.
        (Some((a, b)), _) if a == b => true,
        (_, Some((a, b))) => a == b,
        (Some(_), None) => false,
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(tag: Option<&str>, version: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            location: "x".into(),
            last_modified: Default::default(),
            size: 1,
            e_tag: tag.map(str::to_owned),
            version: version.map(str::to_owned),
        }
    }

    fn put(tag: Option<&str>, version: Option<&str>) -> PutResult {
        PutResult {
            e_tag: tag.map(str::to_owned),
            version: version.map(str::to_owned),
            extensions: Default::default(),
        }
    }

    #[test]
    fn like_is_compared_with_like() {
        let (a, b) = (Some("\"a\""), Some("\"b\""));
        for (written, found, same) in [
            (put(a, None), meta(a, None), true),
            (put(a, None), meta(b, None), false),
            // A version beside it on one side or on both.
            (put(a, None), meta(a, Some("v1")), true),
            (put(a, Some("v1")), meta(a, Some("v1")), true),
            (put(a, Some("v1")), meta(b, Some("v1")), true),
            (put(a, Some("v1")), meta(a, Some("v2")), true),
            (put(a, Some("v1")), meta(b, Some("v2")), false),
            (put(a, Some("null")), meta(b, Some("null")), false),
            // Weak on one side, without quotes on the other.
            (put(a, None), meta(Some("W/\"a\""), None), true),
            (put(a, None), meta(Some("a"), None), true),
            (put(Some("W/\"a\""), None), meta(Some("W/\"b\""), None), false),
            // One over parts is another kind than one over bytes; two over parts are compared.
            (put(Some("\"a-3\""), None), meta(b, None), true),
            (put(Some("\"a-3\""), None), meta(Some("\"b-3\""), None), false),
            (put(Some("\"a-3\""), Some("v1")), meta(b, Some("v2")), false),
            // Where nothing can be compared, the size is all there is.
            (put(None, None), meta(a, None), true),
            (put(a, None), meta(None, None), true),
            (put(a, Some("v1")), meta(None, Some("v2")), false),
            (put(None, Some("null")), meta(None, Some("null")), true),
        ] {
            assert_eq!(is_same(&written, &found), same, "{written:?} {found:?}");
        }
    }

    #[test]
    fn tags_are_of_bytes_where_there_is_one() {
        assert_eq!(of(&meta(Some("W/\"a\""), Some("v1"))), of(&meta(Some("\"a\""), Some("v2"))));
        assert_ne!(of(&meta(Some("\"a\""), Some("null"))), of(&meta(Some("\"b\""), Some("null"))));
        assert_eq!(of(&meta(None, Some("v1"))).as_deref(), Some("v1"));
        assert_eq!(of(&meta(None, Some("null"))), None);
        assert_eq!(of(&meta(Some("\"\""), None)), None);
    }
}
