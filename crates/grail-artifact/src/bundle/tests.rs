use super::*;
use grail_protocol::params::DEV;
use proptest::prelude::*;

fn pair(byte: u8) -> HotkeyPair {
    HotkeyPair::from_seed(&[byte; 32]).unwrap()
}

fn block(number: u64) -> BlockFact {
    BlockFact {
        number: BlockNumber(number),
        hash: BlockHash::from_bytes([number as u8; 32]),
        time: UnixMillis(1_763_000_000_000 + number * 3_000),
    }
}

fn bundle() -> Bundle {
    let head = BundleHead {
        network: "dev-1".parse().unwrap(),
        params: DEV.profile.into(),
        params_digest: RootHex(DEV.digest()),
        window: WindowStart(40),
        miner: Hotkey::from_bytes([1; 32]),
        validator: pair(9).hotkey(),
        first_block: block(40),
        last_block: block(59),
        beacon: None,
        randomness: WindowRandomness::BlockHashOnly,
        challenge: Challenge::Block(block(64)),
        sampling: SamplingFact { all_up_to: 16, share_percent: 25, min: 16, max: 64 },
        model: ModelFact { vocabulary: 300, context_length: 4_096 },
        file: Some(FileFact {
            encoding: Encoding::Json,
            stored_at: UnixMillis(1_763_000_180_000),
            size: 5,
            carried: true,
        }),
    };
    let mut bundle = Bundle {
        head,
        manifest: b"{}".to_vec(),
        profile: profile_text(NumericProfile::StrictF32),
        verdict: br#"{"groups":[]}"#.to_vec(),
        file: b"bytes".to_vec(),
        signature: None,
    };
    bundle.sign(&pair(9), [0; 32]).unwrap();
    bundle
}

/// The raw content behind a bundle's frame, and the bytes of a bundle around any content.
fn content(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(&bytes[23..]).unwrap()
}

fn around(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"grail bundle\n\x01\x00".to_vec();
    bytes.extend((content.len() as u64).to_le_bytes());
    bytes.extend(zstd::bulk::compress(content, 3).unwrap());
    bytes
}

fn name_of(bytes: &[u8]) -> &'static str {
    Bundle::read(bytes).unwrap_err().name()
}

#[test]
fn what_was_signed_reads_back() {
    let bundle = bundle();
    let bytes = bundle.to_bytes().unwrap();
    assert_eq!(Bundle::read(&bytes).unwrap(), bundle);
    assert_eq!(around(&content(&bytes)), bytes);
    let unsigned = Bundle { signature: None, ..bundle };
    assert_eq!(unsigned.to_bytes().unwrap_err(), BundleError::Unsigned);
}

#[test]
fn no_part_can_change_under_the_signature() {
    type Change = fn(&mut Bundle);
    let changes: [Change; 12] = [
        |b| b.head.window = WindowStart(60),
        |b| b.head.miner = Hotkey::from_bytes([2; 32]),
        |b| b.head.validator = pair(8).hotkey(),
        |b| b.head.first_block.hash = BlockHash::from_bytes([9; 32]),
        |b| b.head.last_block.time = UnixMillis(0),
        |b| b.head.sampling.max = 1,
        |b| b.head.model.vocabulary += 1,
        |b| b.head.file = None,
        |b| b.manifest.push(b' '),
        |b| b.profile = profile_text(NumericProfile::StrictBf16),
        |b| b.verdict.push(b' '),
        |b| b.file[0] ^= 1,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = bundle();
        change(&mut other);
        assert_eq!(name_of(&other.to_bytes().unwrap()), "bad-signature", "change {index}");
    }
}

#[test]
fn other_formats_and_spellings_are_named() {
    let good = bundle().to_bytes().unwrap();
    assert_eq!(name_of(b""), "malformed");
    assert_eq!(name_of(b"PAR1 and so on"), "malformed");
    let mut newer = good.clone();
    newer[13] = 2;
    assert_eq!(Bundle::read(&newer).unwrap_err(), BundleError::UnknownVersion { got: 2 });
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(name_of(&longer), "malformed");
    // The same head with a space in it.
    let raw = content(&good);
    let length = u64::from_le_bytes(raw[..8].try_into().unwrap()) as usize;
    let mut spaced = (length as u64 + 1).to_le_bytes().to_vec();
    spaced.extend(b"{ ");
    spaced.extend(&raw[9..]);
    assert_eq!(name_of(&around(&spaced)), "not-canonical");
    // A signature cut short, and one with a byte after it.
    assert_eq!(name_of(&around(&raw[..raw.len() - 1])), "malformed");
    assert_eq!(name_of(&around(&[raw.as_slice(), &[0]].concat())), "malformed");
}

#[test]
fn sizes_are_bounded_before_they_matter() {
    // A part that says it is larger than anything.
    let mut part = u64::MAX.to_le_bytes().to_vec();
    part.extend([0; 100]);
    assert!(matches!(Bundle::read(&around(&part)), Err(BundleError::TooLarge { what: "head", .. })));
    // A frame that says so of all parts together.
    let mut bytes = b"grail bundle\n\x01\x00".to_vec();
    bytes.extend(u64::MAX.to_le_bytes());
    assert!(matches!(Bundle::read(&bytes), Err(BundleError::TooLarge { what: "content", .. })));
    // A frame of gigabytes behind a small number: unpacking stops one byte after it.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let mut bytes = b"grail bundle\n\x01\x00".to_vec();
    bytes.extend(1_000u64.to_le_bytes());
    bytes.extend(bomb);
    let BundleError::Malformed { detail } = Bundle::read(&bytes).unwrap_err() else { panic!() };
    assert!(detail.contains("1001"), "{detail}");
}

#[test]
fn the_profile_says_each_tolerance_and_tells_profiles_apart() {
    let text = profile_text(NumericProfile::StrictF32);
    assert!(
        text.starts_with("profile strict-f32\nmargin-hard 1e-2\n") && text.lines().count() == 16,
        "{text}"
    );
    assert_ne!(text, profile_text(NumericProfile::StrictBf16));
}

proptest! {
    #[test]
    fn cut_and_damaged_bundles_are_errors(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let good = bundle().to_bytes().unwrap();
        let at = at.index(good.len());
        prop_assert!(Bundle::read(&good[..at]).is_err());
        let mut damaged = good.clone();
        damaged[at] ^= flip;
        // Whatever still unpacks to the same content says the same; nothing else passes.
        if let Ok(read) = Bundle::read(&damaged) {
            prop_assert_eq!(read, bundle());
        }
    }
}
