//! Thrift's compact protocol, as far as Parquet uses it: read into a tree whose size is bounded by its input, and written
//! field by field.

use grail_artifact::window::DecodeError;

use crate::malformed;

/// Nesting that a Parquet footer needs is five.
const DEEPEST: u8 = 12;

/// A value. Integers of all widths are one kind; doubles are skipped, since nothing here needs them.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool,
    Int(i64),
    Double,
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Struct(Vec<(i16, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A field of a structure.
    pub(crate) fn get(&self, id: i16) -> Option<&Value<'a>> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(field, _)| *field == id).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn int(&self, id: i16) -> Option<i64> {
        match self.get(id)? {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self, id: i16) -> Option<&'a [u8]> {
        match self.get(id)? {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn list(&self, id: i16) -> Option<&[Value<'a>]> {
        match self.get(id)? {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Reads a structure from the start of `input`; returns it with the number of bytes that it took.
///
/// Every value takes at least one byte of input, so the tree has at most as many nodes as `input` has bytes; callers
/// bound that.
pub(crate) fn read_struct(input: &[u8]) -> Result<(Value<'_>, usize), DecodeError> {
    let mut reader = Reader { rest: input };
    let value = reader.structure(0)?;
    Ok((value, input.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| malformed("metadata ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let split = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (head, rest) = split.ok_or_else(|| malformed("metadata declares more bytes than it has"))?;
        self.rest = rest;
        Ok(head)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number in the metadata is too long"))
    }

    fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn structure(&mut self, depth: u8) -> Result<Value<'a>, DecodeError> {
        if depth > DEEPEST {
            return Err(malformed("metadata is nested too deeply"));
        }
        let mut fields: Vec<(i16, Value<'a>)> = Vec::new();
        let mut last = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Value::Struct(fields));
            }
            let id = match head >> 4 {
                0 => self.zigzag()?,
                delta => last + i64::from(delta),
            };
            let kind = head & 0x0f;
            last = id;
            let id = i16::try_from(id).map_err(|_| malformed("metadata has an odd field number"))?;
            // Parquet writers number upwards; a repeated field could say two things to two readers.
            if fields.last().is_some_and(|(before, _)| *before >= id) {
                return Err(malformed("metadata repeats or reorders a field"));
            }
            let value = if matches!(kind, 1 | 2) { Value::Bool } else { self.value(kind, depth + 1)? };
            fields.push((id, value));
        }
    }

    fn value(&mut self, kind: u8, depth: u8) -> Result<Value<'a>, DecodeError> {
        match kind {
            // In lists a truth value has a byte of its own.
            1 | 2 => self.byte().map(|_| Value::Bool),
            3 => self.byte().map(|byte| Value::Int(i64::from(byte as i8))),
            4..=6 => self.zigzag().map(Value::Int),
            7 => self.take(8).map(|_| Value::Double),
            8 => {
                let length = self.varint()?;
                self.take(length).map(Value::Bytes)
            }
            9 | 10 => self.items(depth),
            12 => self.structure(depth),
            _ => Err(malformed("metadata holds a kind of value that Parquet does not use")),
        }
    }

    fn items(&mut self, depth: u8) -> Result<Value<'a>, DecodeError> {
        if depth > DEEPEST {
            return Err(malformed("metadata is nested too deeply"));
        }
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            small => u64::from(small),
        };
        if count > self.rest.len() as u64 {
            return Err(malformed("metadata declares a list longer than itself"));
        }
        (0..count).map(|_| self.value(head & 0x0f, depth + 1)).collect::<Result<_, _>>().map(Value::List)
    }
}

/// A structure being written. Fields are given in the order of their numbers, each at most 15 above the one before.
#[derive(Debug, Default)]
pub(crate) struct Struct {
    bytes: Vec<u8>,
    last: i16,
}

impl Struct {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn head(mut self, id: i16, kind: u8) -> Self {
        debug_assert!((1..=15).contains(&(id - self.last)), "field {id} after {}", self.last);
        self.bytes.push(((id - self.last) as u8) << 4 | kind);
        self.last = id;
        self
    }

    pub(crate) fn bool(self, id: i16, value: bool) -> Self {
        self.head(id, if value { 1 } else { 2 })
    }

    pub(crate) fn i8(mut self, id: i16, value: u8) -> Self {
        self = self.head(id, 3);
        self.bytes.push(value);
        self
    }

    fn number(mut self, id: i16, kind: u8, value: i64) -> Self {
        self = self.head(id, kind);
        push_zigzag(&mut self.bytes, value);
        self
    }

    pub(crate) fn i16(self, id: i16, value: i64) -> Self {
        self.number(id, 4, value)
    }

    pub(crate) fn i32(self, id: i16, value: i64) -> Self {
        self.number(id, 5, value)
    }

    pub(crate) fn some_i32(self, id: i16, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.i32(id, value),
            None => self,
        }
    }

    pub(crate) fn i64(self, id: i16, value: i64) -> Self {
        self.number(id, 6, value)
    }

    pub(crate) fn bytes(mut self, id: i16, value: &[u8]) -> Self {
        self = self.head(id, 8);
        push_bytes(&mut self.bytes, value);
        self
    }

    pub(crate) fn inner(mut self, id: i16, inner: Self) -> Self {
        self = self.head(id, 12);
        self.bytes.extend(inner.end());
        self
    }

    fn list(mut self, id: i16, kind: u8, count: usize) -> Self {
        self = self.head(id, 9);
        if count < 15 {
            self.bytes.push((count as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            push_varint(&mut self.bytes, count as u64);
        }
        self
    }

    pub(crate) fn i32s(mut self, id: i16, items: &[i64]) -> Self {
        self = self.list(id, 5, items.len());
        items.iter().for_each(|item| push_zigzag(&mut self.bytes, *item));
        self
    }

    pub(crate) fn texts(mut self, id: i16, items: &[&str]) -> Self {
        self = self.list(id, 8, items.len());
        items.iter().for_each(|item| push_bytes(&mut self.bytes, item.as_bytes()));
        self
    }

    pub(crate) fn structs(mut self, id: i16, items: Vec<Self>) -> Self {
        self = self.list(id, 12, items.len());
        items.into_iter().for_each(|item| self.bytes.extend(item.end()));
        self
    }

    /// The structure's bytes.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

/// Seven bits a byte, the lowest first.
pub(crate) fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn push_zigzag(bytes: &mut Vec<u8>, value: i64) {
    push_varint(bytes, (value << 1 ^ value >> 63) as u64);
}

fn push_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    push_varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_structure_reads_as_written() {
        // field 1: i32 −2; field 2: binary "ab"; field 20: list of two i32.
        let bytes = [0x15, 0x03, 0x18, 0x02, b'a', b'b', 0x09, 0x28, 0x25, 0x02, 0x04, 0x00, 0xff];
        let (value, used) = read_struct(&bytes).unwrap();
        assert_eq!(used, 12);
        assert_eq!(value.int(1), Some(-2));
        assert_eq!(value.bytes(2), Some(&b"ab"[..]));
        assert_eq!(value.list(20), Some(&[Value::Int(1), Value::Int(2)][..]));
        assert_eq!(value.int(2), None);
    }

    #[test]
    fn what_is_written_reads_alike() {
        let inner = Struct::new().i8(1, 32).bool(2, true);
        let many = (0..20).map(|n| Struct::new().i64(1, n)).collect();
        let bytes = Struct::new()
            .i32(1, -2)
            .i16(2, 300)
            .bytes(5, b"ab")
            .inner(10, inner)
            .i32s(12, &[0, 3])
            .texts(13, &["list"])
            .structs(14, many)
            .end();
        let (value, used) = read_struct(&bytes).unwrap();
        assert_eq!(used, bytes.len());
        assert_eq!((value.int(1), value.int(2), value.bytes(5)), (Some(-2), Some(300), Some(&b"ab"[..])));
        assert_eq!(value.get(10).unwrap().int(1), Some(32));
        assert_eq!(value.list(12), Some(&[Value::Int(0), Value::Int(3)][..]));
        assert_eq!(value.list(13), Some(&[Value::Bytes(b"list")][..]));
        let last = value.list(14).and_then(|items| items.last()).unwrap();
        assert_eq!((value.list(14).unwrap().len(), last.int(1)), (20, Some(19)));
    }

    #[test]
    fn declared_sizes_are_held_against_what_is_there() {
        // A list of 2³¹ structures; a binary of 2⁶³ bytes; a hundred nested structures; a field given twice.
        let list = [0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0x00];
        let text = [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00];
        let deep = [0x1c; 100];
        let twice = [0x15, 0x02, 0x05, 0x02, 0x02, 0x00];
        for bytes in [&list[..], &text, &deep, &twice] {
            assert!(read_struct(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((_, used)) = read_struct(&bytes) {
                prop_assert!(used <= bytes.len());
            }
        }
    }
}
