use super::*;
use proptest::prelude::*;

fn own() -> Hotkey {
    Hotkey::from_bytes([1; 32])
}

fn rules() -> Rules {
    Rules::default().allow(["set_weights"], None).unwrap()
}

fn read(bytes: &[u8]) -> Result<SignRequest, (SignerRefusal, String)> {
    read_request(&mut &bytes[..], &rules(), &own())
}

fn chain_call() -> ChainCall {
    ChainCall {
        name: "set_weights".into(),
        call: vec![7, 0, 81, 0],
        extra: vec![0, 4, 0, 0],
        additional: vec![9; 73],
    }
}

#[test]
fn requests_come_back() {
    assert_eq!(read(&who()), Ok(SignRequest::Who));
    let asked = Statement::message(b"hello");
    let expected = SignRequest::Statement { label: "grail/1 message".into(), digest: asked.digest() };
    assert_eq!(read(&statement(&asked).unwrap()), Ok(expected));
    assert_eq!(read(&call(&chain_call()).unwrap()), Ok(SignRequest::Call(chain_call())));
}

#[test]
fn bytes_are_as_documented() {
    assert_eq!(who(), [2, 0, 0, 0, 1, 1]);
    let bytes = statement(&Statement::new("ab").with(b"xyz")).unwrap();
    assert_eq!(bytes, b"\x10\0\0\0\x01\x02\x02ab\x01\0\0\0\x03\0\0\0xyz");
    let asked = ChainCall { name: "c".into(), call: vec![7], extra: vec![], additional: vec![8, 9] };
    assert_eq!(call(&asked).unwrap(), b"\x13\0\0\0\x01\x03\x01c\x01\0\0\0\x07\0\0\0\0\x02\0\0\0\x08\x09");
    let refused = Reply::Refused(SignerRefusal::Busy, "hm".into()).encode();
    assert_eq!(refused, b"\x0b\0\0\0\x01\x02\x04busy\x02\0hm");
}

#[test]
fn replies_come_back() {
    let replies = [
        Reply::Hotkey(own()),
        Reply::Signature(Signature::from_bytes([3; 64])),
        Reply::Refused(SignerRefusal::CallPrefix, "another call".into()),
    ];
    for reply in replies {
        let bytes = reply.encode();
        assert_eq!(Reply::decode(&bytes[4..]), Ok(reply.clone()));
        for length in 0..bytes.len() - 4 {
            assert!(Reply::decode(&bytes[4..4 + length]).is_err(), "{reply:?} cut to {length}");
        }
    }
    assert!(Reply::decode(&[1, 9]).is_err());
    assert!(Reply::decode(&[2, 0]).is_err());
    let long = Reply::Refused(SignerRefusal::LabelShape, "ü".repeat(5_000)).encode();
    assert!(long.len() <= MOST_REPLY as usize);
    assert!(Reply::decode(&long[4..]).is_ok());
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().0;
    assert_eq!(refused(&u32::MAX.to_le_bytes()), SignerRefusal::TooLarge);
    // A part of four gigabytes, of one above the bound, and of one that the frame cannot hold.
    let label = b"grail/1 message";
    let begin = [&[1, 2, label.len() as u8][..], label, &[1, 0, 0, 0]].concat();
    for (length, refusal) in [
        (u32::MAX, SignerRefusal::TooLarge),
        (MOST_PART + 1, SignerRefusal::TooLarge),
        (MOST_PART, SignerRefusal::Malformed),
    ] {
        let body = [&begin[..], &length.to_le_bytes()].concat();
        assert_eq!(refused(&framed(body)), refusal, "{length}");
    }
    let mut counted = begin.clone();
    let at = counted.len() - 4;
    counted[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(refused(&framed(counted)), SignerRefusal::LabelShape, "a message has one field");
}

#[test]
fn every_cut_and_every_surplus_is_refused() {
    for whole in [who(), statement(&Statement::message(b"hello")).unwrap(), call(&chain_call()).unwrap()] {
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut to {length}");
            // The same with a length that fits what is there.
            let body = whole[4..].get(..length.saturating_sub(4)).unwrap();
            assert!(read(&framed(body.to_vec())).is_err(), "short by {}", whole.len() - length);
        }
        let more = framed([&whole[4..], &[0]].concat());
        assert_eq!(read(&more).unwrap_err().0, SignerRefusal::Malformed);
    }
}

#[test]
fn too_much_is_not_even_sent() {
    assert!(statement(&Statement::message(&vec![0; MOST_PART as usize + 1])).is_none());
    assert!(statement(&Statement { label: "x".repeat(256).into(), fields: vec![] }).is_none());
    let mut large = chain_call();
    large.call = vec![7; MOST_PART as usize + 1];
    assert!(call(&large).is_none());
}

proptest! {
    #[test]
    fn noise_is_refused_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..600)) {
        // Two bytes of body decide the kind; `who are you` is the only request without more.
        let framed = framed(noise.clone());
        if noise != [1, 1] {
            prop_assert!(read(&framed).is_err());
        }
        let _ = read(&noise);
        let _ = Reply::decode(&noise);
    }

    #[test]
    fn a_flipped_request_is_another_statement_or_none(at in 4usize..40, bit in 0u8..8) {
        let asked = Statement::message(b"a text");
        let mut bytes = statement(&asked).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(SignRequest::Statement { digest, .. }) = read(&bytes) {
            prop_assert_ne!(digest, asked.digest());
        }
    }
}
