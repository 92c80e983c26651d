use super::*;
use proptest::prelude::*;
use std::{collections::BTreeMap, io::Cursor, slice};

/// A tensor with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: StoredDtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

/// A file of tensors, in the order given.
pub(crate) fn file(tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let specs: Vec<TensorSpec<'_>> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, &tensor.shape[..])).collect();
    let header = Header::build(&specs, metadata).unwrap();
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    tensors.iter().for_each(|tensor| bytes.extend(&tensor.bytes));
    bytes
}

pub(crate) fn open(bytes: &[u8]) -> SafetensorsFile<Cursor<&[u8]>> {
    SafetensorsFile::open(Cursor::new(bytes)).unwrap()
}

/// Any tensor: every dtype, no dimension to three, sides of 0 to 4, bytes that repeat often.
pub(crate) fn any_tensor(name: String) -> impl Strategy<Value = Tensor> {
    let dtype = prop::sample::select(StoredDtype::all().collect::<Vec<_>>());
    let shape = prop::collection::vec(0u64..5, 0..4);
    (dtype, shape, any::<u64>()).prop_map(move |(dtype, mut shape, seed)| {
        if dtype.bits() < 8 {
            shape.push(4);
        }
        let elements: u64 = shape.iter().product();
        let count = elements * dtype.bits() / 8;
        let bytes = (0..count).map(|i| (seed >> (8 * (i % 3))) as u8 & 0x83).collect();
        Tensor { name: name.clone(), dtype, shape, bytes }
    })
}

fn root(bytes: &[u8]) -> TensorRoot {
    Census::take(&mut open(bytes), 2, &mut |_| {}).unwrap().root()
}

fn tensor(name: &str, dtype: StoredDtype, shape: &[u64], bytes: &[u8]) -> Tensor {
    Tensor { name: name.into(), dtype, shape: shape.to_vec(), bytes: bytes.to_vec() }
}

#[test]
fn a_header_is_read_as_it_was_built() {
    let metadata = BTreeMap::from([("format".to_owned(), "pt \"quoted\"".to_owned())]);
    let tensors = [
        tensor("b\"\\", StoredDtype::BF16, &[2, 1], &[1, 2, 3, 4]),
        tensor("a", StoredDtype::F64, &[], &[0; 8]),
        tensor("none", StoredDtype::F32, &[3, 0], &[]),
    ];
    let bytes = file(&tensors, &metadata);
    let read = open(&bytes);
    assert_eq!(read.header().metadata(), &metadata);
    assert_eq!(read.header().file_bytes(), bytes.len() as u64);
    assert_eq!(read.header().data_start() % 8, 0);
    let names: Vec<&str> = read.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["b\"\\", "a", "none"]);
}

#[test]
fn headers_that_mislead_are_refused() {
    let named = |json: &str| Header::parse(json.as_bytes().to_vec()).unwrap_err().to_string();
    let u8s = |name: &str, shape: &str, begin: u64, end: u64| {
        format!("{name:?}:{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
    };
    let cases = [
        ("[]".to_owned(), "a map of tensors"),
        (format!("{{{},{}}}", u8s("a", "[1]", 0, 1), u8s("a", "[1]", 1, 2)), "stands in it twice"),
        (format!("{{{}}}", u8s("a", "[1]", 1, 2)), "the one before ends at 0"),
        (format!("{{{},{}}}", u8s("a", "[2]", 0, 2), u8s("b", "[1]", 1, 2)), "the one before ends at 2"),
        (format!("{{{}}}", u8s("a", "[2]", 0, 1)), "asks for 2 bytes"),
        (format!("{{{}}}", u8s("a", "[1]", 1, 0)), "asks for 1 bytes"),
        (format!("{{{}}}", u8s("a", "[4294967296,4294967296]", 0, 0)), "beyond any memory"),
        (format!("{{{}}}", u8s("a", &format!("{:?}", [1; 17]), 0, 1)), "too many dimensions"),
        (format!("{{{}}}", u8s(&"a".repeat(513), "[1]", 0, 1)), "bytes in a name"),
        (u8s("a", "[1]", 0, 1).replace("U8", "Q8").replacen('"', "{\"", 1) + "}", "unknown dtype"),
        ("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}".into(), "whole byte"),
    ];
    for (json, want) in cases {
        let got = named(&json);
        assert!(got.contains(want), "{json}: {got}");
    }
}

#[test]
fn a_file_is_as_long_as_its_header_says() {
    let bytes = file(&[tensor("a", StoredDtype::U8, &[4], &[1, 2, 3, 4])], &BTreeMap::new());
    let open = |bytes: &[u8]| SafetensorsFile::open(Cursor::new(bytes)).map(|_| ());
    for cut in 0..bytes.len() {
        assert!(
            matches!(open(&bytes[..cut]), Err(TensorError::Truncated | TensorError::Length { .. })),
            "{cut}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(open(&longer), Err(TensorError::Length { expected: 4, got: 5 })));
    let huge = [&(HEADER_BYTES + 1).to_le_bytes()[..], &[0; 100]].concat();
    assert!(matches!(open(&huge), Err(TensorError::TooLarge { what: "bytes", .. })));
}

#[test]
fn the_root_is_over_names_dtypes_shapes_and_bytes_and_nothing_else() {
    let none = BTreeMap::new();
    let a = tensor("a", StoredDtype::U8, &[4], &[1, 2, 3, 4]);
    let b = tensor("b", StoredDtype::I8, &[2], &[5, 6]);
    let before = root(&file(&[a.clone(), b.clone()], &none));
    let metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    assert_eq!(before, root(&file(&[b.clone(), a.clone()], &metadata)));

    let shards = [file(slice::from_ref(&b), &none), file(slice::from_ref(&a), &none)];
    let mut shards = Shards::new(shards.iter().map(|bytes| open(bytes)).collect()).unwrap();
    assert_eq!(before, Census::take(&mut shards, 1, &mut |_| {}).unwrap().root());

    type Change = fn(&mut Tensor);
    let changes: [Change; 4] =
        [|t| t.name.push('x'), |t| t.dtype = StoredDtype::I8, |t| t.shape = vec![2, 2], |t| t.bytes[3] ^= 1];
    for change in changes {
        let mut other = a.clone();
        change(&mut other);
        assert_ne!(before, root(&file(&[other, b.clone()], &none)));
    }
    assert_ne!(before, root(&file(slice::from_ref(&a), &none)));
}

#[test]
fn a_name_in_two_shards_is_refused() {
    let bytes = file(&[tensor("a", StoredDtype::U8, &[1], &[1])], &BTreeMap::new());
    assert!(matches!(Shards::new(vec![open(&bytes), open(&bytes)]), Err(TensorError::Tensor { .. })));
}

#[test]
fn the_number_of_workers_does_not_change_the_root() {
    let bytes: Vec<u8> = (0..BLOCK_BYTES * 2 + 12).map(|i| (i / 7) as u8).collect();
    let elements = bytes.len() as u64 / 4;
    let bytes = file(
        &[
            tensor("small", StoredDtype::U8, &[1], &[1]),
            tensor("large", StoredDtype::F32, &[elements], &bytes),
        ],
        &BTreeMap::new(),
    );
    let mut read = 0;
    let one = Census::take(&mut open(&bytes), 1, &mut |more| read += more).unwrap();
    assert_eq!(read, elements * 4 + 1);
    assert_eq!(one, Census::take(&mut open(&bytes), 5, &mut |_| {}).unwrap());
}

proptest! {
    #[test]
    fn any_tensors_are_read_as_written(tensors in prop::collection::vec(any_tensor(String::new()), 0..6)) {
        let tensors: Vec<Tensor> = tensors
            .into_iter()
            .enumerate()
            .map(|(index, tensor)| Tensor { name: format!("t{index}"), ..tensor })
            .collect();
        let bytes = file(&tensors, &BTreeMap::new());
        let mut read = open(&bytes);
        for (index, info) in read.tensors().to_vec().iter().enumerate() {
            let written = tensors.iter().find(|tensor| tensor.name == info.name).unwrap();
            let mut got = vec![0; info.bytes as usize];
            read.read(index, 0, &mut got).unwrap();
            prop_assert_eq!((&written.bytes, &written.shape, written.dtype), (&got, &info.shape, info.dtype));
            prop_assert!(read.read(index, 1, &mut got).is_err() || got.is_empty());
        }
    }
}
