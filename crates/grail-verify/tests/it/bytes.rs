//! Bytes of strangers: nothing but the original is ever accepted, and nothing makes the court panic.

use grail_artifact::{
    limits::Limits,
    window::{JsonCodec, WindowCodec, WindowFile},
};
use grail_parquet::ParquetCodec;
use grail_testkit::window::{World, WorldSetup};
use grail_verify::{Rejection, Sealed, Verdict, arrive, verify_on_paper};
use proptest::prelude::*;
use std::sync::LazyLock;

/// A world with one honest file of two groups in both encodings.
struct Shelf {
    world: World,
    file: WindowFile,
    json: Vec<u8>,
    parquet: Vec<u8>,
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
    let world = World::new(WorldSetup::new());
    let file = world.honest(2);
    let json = JsonCodec.encode(&file).unwrap();
    let parquet = ParquetCodec.encode(&file).unwrap();
    Shelf { world, file, json, parquet }
});

const LIMITS: Limits = grail_artifact::limits::LIMITS;

/// Up to the seal, where a file as a whole is accepted or not.
fn seal(codec: &dyn WindowCodec, body: Vec<u8>) -> Result<(WindowFile, Sealed), Rejection> {
    let world = &SHELF.world;
    let decoded = arrive(world.shelve_bytes(body), world.setup.deadline)?.decode(codec, &LIMITS)?;
    let claims = decoded.claims().clone();
    Ok((claims, decoded.seal(&world.context, &world.hotkey(), grail_testkit::model::VOCABULARY)?))
}

/// What is accepted is the original, whatever spelling it came in.
fn accepted_only_as_the_original(codec: &dyn WindowCodec, body: Vec<u8>) -> bool {
    match seal(codec, body) {
        Ok((claims, _)) => claims == SHELF.file,
        Err(_) => true,
    }
}

#[test]
fn no_flipped_bit_of_a_json_file_is_accepted_as_another_file() {
    for index in 0..SHELF.json.len() {
        // Every bit of the header and the signature, one bit of each byte in the long middle.
        let bits = if index < 2_000 { 0..8 } else { index as u32 % 8..index as u32 % 8 + 1 };
        for bit in bits {
            let mut body = SHELF.json.clone();
            body[index] ^= 1 << bit;
            assert!(accepted_only_as_the_original(&JsonCodec, body), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn no_cut_of_a_file_is_accepted() {
    for length in 0..SHELF.json.len() {
        assert!(seal(&JsonCodec, SHELF.json[..length].to_vec()).is_err(), "json cut at {length}");
    }
    for length in 0..SHELF.parquet.len() {
        let body = SHELF.parquet[..length].to_vec();
        assert!(seal(&ParquetCodec, body).is_err(), "parquet cut at {length}");
    }
}

#[test]
fn no_flipped_byte_of_a_parquet_file_is_accepted_as_another_file() {
    for index in 0..SHELF.parquet.len() {
        for mask in [1 << (index % 8), 0xff] {
            let mut body = SHELF.parquet.clone();
            body[index] ^= mask;
            assert!(accepted_only_as_the_original(&ParquetCodec, body), "byte {index}, mask {mask}");
        }
    }
}

/// Claims that are wrong in any way a decoder lets through.
fn any_claims() -> impl Strategy<Value = WindowFile> {
    let edit = (0usize..32, 0u8..8, any::<u32>(), any::<i16>(), 0usize..14);
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut file = SHELF.file.clone();
        for (index, kind, number, small, place) in edits {
            let Some(record) = file.rollouts.get_mut(index) else { continue };
            match kind {
                0 => record.group.0 = number % 4,
                1 => record.rollout.0 = number as u8 % 20,
                2 => record.tokens.resize(place, number % 400),
                3 => record.sketch.resize(place, number as i8),
                4 => record.logprobs.resize(place, small),
                5 => record.reward = f32::from_bits(number),
                6 => drop(file.rollouts.remove(index)),
                _ => record.tokens.iter_mut().skip(place).take(1).for_each(|token| *token = number % 320),
            }
        }
        SHELF.world.seal(SHELF.world.header(), file.rollouts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn signed_nonsense_is_judged_and_never_paid_for_more_than_the_truth(file in any_claims()) {
        let world = &SHELF.world;
        let honest = &SHELF.file;
        let report = world.verify(file.clone());
        // Whatever counts is a rollout as the honest miner would have sent it.
        for group in report.groups.iter().filter(|group| group.verdict == Verdict::Accepted) {
            for rollout in group.rollouts.iter().filter(|rollout| rollout.verdict == Verdict::Accepted) {
                let same = |record: &&grail_artifact::window::RolloutRecord| {
                    record.group == group.group && record.rollout == rollout.rollout
                };
                let (ours, theirs) = (honest.rollouts.iter().find(same), file.rollouts.iter().find(same));
                prop_assert_eq!(&ours.unwrap().tokens, &theirs.unwrap().tokens);
                prop_assert_eq!(ours.unwrap().reward.to_bits(), theirs.unwrap().reward.to_bits());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(seal(&JsonCodec, body.clone()).is_err());
        prop_assert!(seal(&ParquetCodec, body).is_err());
    }
}

#[test]
fn a_refused_file_says_why_in_one_sentence() {
    let report = verify_on_paper(SHELF.world.shelve_bytes(b"{}".to_vec()), &SHELF.world.case(&JsonCodec));
    let rejection = report.file.rejection().unwrap();
    assert_eq!(rejection.code(), "file-malformed");
    assert!(rejection.explain().contains("missing field"), "{}", rejection.explain());
}
