//! Thrift's compact protocol, as far as Parquet uses it, read into a tree whose size is bounded by its input.

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
