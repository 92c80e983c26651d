use super::*;
use std::fs;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_written_key_reads_back_and_is_its_owners_alone() {
    let dir = folder();
    let path = dir.path().join("miner.json");
    let hotkey = write_key(&path, "miner", &[3; 32]).unwrap();
    assert_eq!(load_key(&path).unwrap().hotkey(), hotkey);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open_to_others(&path), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open_to_others(&path), Some(0o644));
        // A warning, not a refusal.
        assert!(load_key(&path).is_ok());
    }
    assert!(matches!(write_key(&path, "miner", &[4; 32]), Err(DevnetError::File { .. })), "replaced a key");
    assert_eq!(load_key(&path).unwrap().hotkey(), hotkey);
}

#[test]
fn each_damage_has_its_own_message_and_none_shows_the_secret() {
    let dir = folder();
    let path = dir.path().join("miner.json");
    assert!(matches!(load_key(&path), Err(KeyError::Missing { .. })));
    assert!(matches!(load_key(dir.path()), Err(KeyError::Unreadable { .. })));

    let hotkey = HotkeyPair::from_seed(&[3; 32]).unwrap().hotkey();
    let secret = "03".repeat(32);
    let text =
        |hotkey: &str, seed: &str| format!(r#"{{"name":"miner","hotkey":"{hotkey}","seed":"{seed}"}}"#);
    let case = |content: String| {
        fs::write(&path, content).unwrap();
        let error = load_key(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret[..16]), "{error:?} shows the secret");
        error
    };
    assert!(matches!(case(text(&hotkey.to_ss58(), &secret)[..40].into()), KeyError::Form { .. }));
    assert!(matches!(case(format!(r#"{{"name":"{secret}","seed":["{secret}"]}}"#)), KeyError::Form { .. }));
    assert!(matches!(case(text(&hotkey.to_ss58(), &secret[..62])), KeyError::Seed { got: 62, .. }));
    assert!(matches!(
        case(text(&hotkey.to_ss58(), &format!("{}zz", &secret[..62]))),
        KeyError::Seed { got: 64, .. }
    ));
    assert!(matches!(case(text("nobody", &secret)), KeyError::Address { .. }));
    let stranger = Hotkey::from_bytes([9; 32]);
    assert!(matches!(
        case(text(&stranger.to_ss58(), &secret)),
        KeyError::Mismatch { stated, derived, .. } if stated == stranger && derived == hotkey
    ));
    assert!(matches!(case(" ".repeat(5_000)), KeyError::Unreadable { .. }));
}
