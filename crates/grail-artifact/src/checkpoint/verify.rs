use crate::manifest::{Manifest, ManifestError};
use grail_protocol::{
    hash::Digest,
    params::Params,
    sign::{self, HotkeyPair, Signature, Statement},
    words::Hotkey,
};

/// Whom a manifest must come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust<'a> {
    /// Signed by this trainer.
    Trainer(&'a Hotkey),
    /// The unsigned model that a network starts with, taken from a place of one's own. Nothing that a stranger can
    /// write to is read with this.
    Genesis,
}

/// Reads a manifest and decides whether a consumer may follow it.
///
/// `last_sequence` is that of the newest manifest accepted so far: this one's must be above it.
///
/// Errors, each by name, before any file of the checkpoint is looked at: [`ManifestError::UnknownVersion`],
/// [`ManifestError::Malformed`], [`ManifestError::Field`], [`ManifestError::Unsigned`], [`ManifestError::Unexpected`],
/// [`ManifestError::WrongKey`], [`ManifestError::BadSignature`], [`ManifestError::OldSequence`].
pub fn verify_manifest(
    bytes: &[u8],
    params: &Params,
    trust: Trust<'_>,
    last_sequence: Option<u64>,
) -> Result<Manifest, ManifestError> {
    let manifest = Manifest::from_json(bytes, params)?;
    match (trust, &manifest.publication) {
        (Trust::Genesis, None) => {}
        (Trust::Genesis, Some(publication)) => {
            return Err(ManifestError::Unexpected { trainer: publication.trainer });
        }
        (Trust::Trainer(_), None) => return Err(ManifestError::Unsigned),
        (Trust::Trainer(trainer), Some(publication)) => {
            let signature = publication.signature.as_ref().ok_or(ManifestError::Unsigned)?;
            if publication.trainer != *trainer {
                return Err(ManifestError::WrongKey { expected: *trainer, got: publication.trainer });
            }
            if !sign::verify(trainer, &manifest_message(&manifest), signature) {
                return Err(ManifestError::BadSignature { trainer: *trainer });
            }
        }
    }
    match last_sequence {
        Some(last) if manifest.sequence <= last => {
            Err(ManifestError::OldSequence { got: manifest.sequence, last })
        }
        _ => Ok(manifest),
    }
}

/// What the trainer signs: `H("grail/1 manifest", id)`.
pub fn manifest_message(manifest: &Manifest) -> Digest {
    manifest_statement(manifest).digest()
}

/// The statement whose digest is [`manifest_message`], for a signer that hashes for itself.
pub fn manifest_statement(manifest: &Manifest) -> Statement {
    Statement::new("grail/1 manifest").with(manifest.id().as_bytes())
}

impl Manifest {
    /// Signs a manifest that names `pair` as its trainer; an older signature is replaced.
    ///
    /// Errors: [`ManifestError::Unsigned`] where there is no publication to sign, [`ManifestError::WrongKey`] where it
    /// names somebody else.
    pub fn sign(&mut self, pair: &HotkeyPair, entropy: [u8; 32]) -> Result<(), ManifestError> {
        self.sign_with(&pair.hotkey(), |statement| Ok(pair.sign(&statement.digest(), entropy)))
    }

    /// [`Self::sign`] with a signer that hashes for itself, and may fail.
    ///
    /// Errors: as there, and those of `sign`.
    pub fn sign_with<E: From<ManifestError>>(
        &mut self,
        trainer: &Hotkey,
        sign: impl FnOnce(&Statement) -> Result<Signature, E>,
    ) -> Result<(), E> {
        let statement = manifest_statement(self);
        let publication = self.publication.as_mut().ok_or(ManifestError::Unsigned)?;
        if publication.trainer != *trainer {
            return Err(ManifestError::WrongKey { expected: publication.trainer, got: *trainer }.into());
        }
        publication.signature = Some(sign(&statement)?);
        Ok(())
    }
}
