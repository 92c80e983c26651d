use grail_ports::{
    Fault,
    sign::{ChainCall, Sign},
};
use grail_protocol::{
    sign::{HotkeyPair, Signature, Statement},
    words::Hotkey,
};

/// A hotkey held by a test. Its signatures are the same at each run.
#[derive(Debug)]
pub struct HeldKey(pub HotkeyPair);

/// Blinds every signature of a test alike.
const ENTROPY: [u8; 32] = [9; 32];

impl Sign for HeldKey {
    fn hotkey(&self) -> Hotkey {
        self.0.hotkey()
    }

    fn sign(&self, statement: &Statement) -> Result<Signature, Fault> {
        Ok(self.0.sign(&statement.digest(), ENTROPY))
    }

    fn sign_call(&self, call: &ChainCall) -> Result<Signature, Fault> {
        Ok(self.0.sign(&call.signed_bytes(), ENTROPY))
    }
}
