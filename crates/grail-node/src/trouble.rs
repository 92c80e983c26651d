//! Errors of the wiring, by the one class that edges give: may this pass, or will it not.

use grail_ports::{Door, Fault, Retry};
use grail_wallet::signer::SignerError;
use std::io;

/// Exit code of what may pass: whoever starts programs may start this one again. `EX_TEMPFAIL` of sysexits.
pub const MAY_PASS: u8 = 75;
/// Exit code of what waiting does not mend: a mistake in settings, or nothing to work with.
pub const WILL_NOT_PASS: u8 = 2;

/// Whether starting again later may help, by the first cause that belongs to a class. What belongs to none is a mistake.
pub fn may_pass(error: &anyhow::Error) -> bool {
    class(error).is_some_and(|(_, retry)| retry == Retry::Later)
}

/// The exit code of an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if may_pass(error) { MAY_PASS } else { WILL_NOT_PASS }
}

/// The error as a fault, with all that it says.
pub fn fault(error: &anyhow::Error) -> Fault {
    let (door, retry) = class(error).unwrap_or((Door::Inside, Retry::Never));
    Fault::plain(door, retry, format!("{error:#}"))
}

fn class(error: &anyhow::Error) -> Option<(Door, Retry)> {
    let of = |may_pass: bool| if may_pass { Retry::Later } else { Retry::Never };
    error.chain().find_map(|cause| {
        if let Some(fault) = cause.downcast_ref::<Fault>() {
            return Some((fault.door, fault.retry));
        }
        if let Some(signer) = cause.downcast_ref::<SignerError>() {
            return Some((Door::Inside, of(signer.may_pass())));
        }
        let system = cause.downcast_ref::<io::Error>()?;
        Some((Door::Disk, of(grail_fs::may_pass(system))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_first_cause_with_a_class_decides_and_a_mistake_has_none() {
        let fault = |retry| Fault::plain(Door::Chain, retry, "connect to the chain");
        let wrapped = |retry| Err::<(), _>(fault(retry)).context("join").unwrap_err();
        assert_eq!(exit_code(&wrapped(Retry::Later)), 75);
        assert_eq!(exit_code(&wrapped(Retry::Never)), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("no bucket is set")), 2);
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(exit_code(&Err::<(), _>(full).context("write x").unwrap_err()), 75);
        let forbidden = io::Error::from_raw_os_error(13);
        assert_eq!(exit_code(&Err::<(), _>(forbidden).context("read x").unwrap_err()), 2);
        assert_eq!(super::fault(&wrapped(Retry::Later)).doing, "join: connect to the chain");
    }
}
