use blake2::{Blake2b, Digest as _, digest::consts::U32};
use grail_ports::sign::ChainCall;

/// Longest payload that is signed as it is.
const LONGEST_PLAIN: usize = 256;

/// The bytes that a signed extrinsic's signature is over: call, extra and additional, hashed with BLAKE2b-256 when
/// they are more than 256.
pub fn signed_bytes(call: &ChainCall) -> Vec<u8> {
    let payload = [call.call.as_slice(), &call.extra, &call.additional].concat();
    if payload.len() > LONGEST_PLAIN { Blake2b::<U32>::digest(&payload).to_vec() } else { payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_payloads_are_hashed_and_short_ones_are_not() {
        let call = |length: usize| ChainCall {
            name: "set_weights".into(),
            call: vec![7; length],
            extra: vec![1; 4],
            additional: vec![2; 73],
        };
        assert_eq!(signed_bytes(&call(179)).len(), 256);
        assert_eq!(signed_bytes(&call(179))[178..184], [7, 1, 1, 1, 1, 2]);
        assert_eq!(signed_bytes(&call(180)).len(), 32);
    }
}
