use grail_ports::sign::{ChainCall, Sign};
use grail_protocol::sign::{Statement, verify};

/// Examines a signer. `statements` differ from each other, and the signer may sign them all; so it may `calls`.
///
/// # Panics
/// When a promise of [`Sign`] is broken.
pub fn sign<S: Sign + ?Sized>(signer: &S, statements: &[Statement], calls: &[ChainCall]) {
    let hotkey = signer.hotkey();
    for statement in statements {
        let signature = signer.sign(statement).expect("a statement of GRAIL is signed");
        for other in statements {
            let holds = verify(&hotkey, &other.digest(), &signature);
            assert_eq!(holds, other == statement, "a signature is the hotkey's, over that statement alone");
        }
    }
    for call in calls {
        let signature = signer.sign_call(call).expect("a listed call is signed");
        let longer = ChainCall { extra: [&call.extra[..], &[0]].concat(), ..call.clone() };
        assert!(
            verify(&hotkey, &call.signed_bytes(), &signature),
            "{} is signed as the chain checks it",
            call.name
        );
        assert!(!verify(&hotkey, &longer.signed_bytes(), &signature), "and no other call is");
    }
    assert_eq!(signer.hotkey(), hotkey, "a signer keeps its hotkey");
}
