use super::*;
use proptest::prelude::*;

const CONTENT: &[u8] = br#"{"ss58Address":"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"}"#;

/// A vault as ansible makes it; salt fixed, so that the test says the same each time.
fn vault(content: &[u8], password: &[u8]) -> Vec<u8> {
    let salt = [7u8; 32];
    let mut derived = [0u8; 80];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt, VAULT_ROUNDS, &mut derived);
    let pad = 16 - content.len() % 16;
    let mut text = content.to_vec();
    text.extend(std::iter::repeat_n(pad as u8, pad));
    ctr::Ctr128BE::<aes::Aes256>::new_from_slices(&derived[..32], &derived[64..])
        .unwrap()
        .apply_keystream(&mut text);
    let mut hmac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&derived[32..64]).unwrap();
    hmac.update(&text);
    let mac = hmac.finalize().into_bytes();
    let inner = [hex::encode(salt), hex::encode(mac), hex::encode(&text)].join("\n");
    let digits = hex::encode(inner);
    let lines: Vec<&str> =
        digits.as_bytes().chunks(80).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("$ANSIBLE_VAULT;1.1;AES256\n{}\n", lines.join("\n")).into_bytes()
}

#[test]
fn the_first_bytes_name_the_scheme() {
    let cases: [(&[u8], Option<Scheme>); 9] = [
        (b"$NACL....", Some(Scheme::Nacl)),
        (b"$ANSIBLE_VAULT;1.1;AES256\n", Some(Scheme::AnsibleVault)),
        (b"gAAAAABk", Some(Scheme::Fernet)),
        (b" \n{\"a\":1}", Some(Scheme::Plain)),
        (b"0x46eb", Some(Scheme::Plain)),
        (b"", None),
        (b"bottom drive obey", None),
        (b"$AGE", None),
        (b"-----BEGIN", None),
    ];
    for (bytes, scheme) in cases {
        assert_eq!(Scheme::of(bytes), scheme, "{bytes:?}");
    }
}

#[test]
fn nacl_with_a_known_key_comes_back_and_every_flip_is_seen() {
    let key = [5; 32];
    let sealed = seal_with(CONTENT, &key, [9; 24]).unwrap();
    let open = |bytes: &[u8]| NaclParts::of(bytes).and_then(|parts| parts.open(&key));
    assert_eq!(open(&sealed).unwrap().as_slice(), CONTENT);
    for at in 5..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(open(&flipped), Err(OpenError::WrongPassword), "byte {at}");
    }
    for length in 0..sealed.len() {
        assert!(open(&sealed[..length]).is_err(), "cut to {length}");
    }
    assert_eq!(NaclParts::of(&sealed).unwrap().open(&[6; 32]), Err(OpenError::WrongPassword));
}

#[test]
fn vaults_of_any_length_come_back() {
    for length in [0, 1, 15, 16, 17, 63] {
        let sealed = vault(&CONTENT[..length], b"pw");
        assert_eq!(open(Scheme::AnsibleVault, &sealed, b"pw").unwrap().as_slice(), &CONTENT[..length]);
    }
    let sealed = vault(CONTENT, b"pw");
    assert_eq!(open(Scheme::AnsibleVault, &sealed, b"wp"), Err(OpenError::WrongPassword));
    let labelled = String::from_utf8(sealed.clone()).unwrap().replace("1.1;AES256", "1.2;AES256;mine");
    assert_eq!(open(Scheme::AnsibleVault, labelled.as_bytes(), b"pw").unwrap().as_slice(), CONTENT);
    for header in ["1.0;AES256", "1.1;AES", "1.1", "9;9;9"] {
        let other = String::from_utf8(sealed.clone()).unwrap().replace("1.1;AES256", header);
        let error = open(Scheme::AnsibleVault, other.as_bytes(), b"pw").unwrap_err();
        assert!(matches!(error, OpenError::Damaged(text) if text.contains("another version")), "{header}");
    }
}

#[test]
fn a_changed_vault_is_seen() {
    let sealed = vault(CONTENT, b"pw");
    // Every digit of salt, mac and text; a changed line break may leave the content as it is.
    let first = sealed.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in (first..sealed.len()).step_by(37).filter(|at| sealed[*at] != b'\n') {
        let mut changed = sealed.clone();
        changed[at] = if sealed[at] == b'3' { b'6' } else { b'3' };
        assert!(open(Scheme::AnsibleVault, &changed, b"pw").is_err(), "byte {at}");
    }
    for length in (0..sealed.len() - 2).step_by(41) {
        assert!(open(Scheme::AnsibleVault, &sealed[..length], b"pw").is_err(), "cut to {length}");
    }
}

#[test]
fn a_fernet_token_of_the_standard_opens_and_damage_does_not() {
    // From the specification's verify.json.
    let token = b"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    let key: [u8; 32] = base64::engine::general_purpose::URL_SAFE
        .decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
        .unwrap()
        .try_into()
        .unwrap();
    let open = |bytes: &[u8]| FernetToken::of(bytes).and_then(|token| token.open(&key));
    assert_eq!(open(token).unwrap().as_slice(), b"hello");
    assert_eq!(open(&[token.as_slice(), b"\n"].concat()).unwrap().as_slice(), b"hello");
    for length in 0..token.len() {
        assert!(open(&token[..length]).is_err(), "cut to {length}");
    }
    for at in 0..token.len() - 2 {
        let mut changed = *token;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(open(&changed).is_err(), "byte {at}");
    }
    assert_eq!(FernetToken::of(token).unwrap().open(&[0; 32]), Err(OpenError::WrongPassword));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn noise_behind_a_known_beginning_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..300), which in 0..2usize) {
        let (scheme, begin) = [(Scheme::AnsibleVault, VAULT), (Scheme::Fernet, FERNET)][which];
        let bytes = [begin, &noise].concat();
        // Refused by form, before a key is derived: noise has neither hexadecimal digits nor base64 for long.
        if VaultParts::of(&bytes).is_err() && FernetToken::of(&bytes).is_err() {
            prop_assert!(open(scheme, &bytes, b"pw").is_err());
        }
    }

    #[test]
    fn noise_in_a_box_does_not_open(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [NACL, &noise].concat();
        prop_assert!(NaclParts::of(&bytes).and_then(|parts| parts.open(&[1; 32])).is_err());
    }
}
