//! Whose network a validator's memory is of.

use super::Finding;
use grail_config::{Config, Role, table};
use grail_fs::FolderJournal;
use grail_protocol::words::NetworkId;
use grail_roles::{evidence::EvidenceJournal, reports::Reports};
use std::sync::Arc;

/// A folder of reports that a validator of this network refuses at its start: one that a rehearsal left, for the most part.
/// Nothing where all is well, or the role keeps none.
pub fn of_memory(role: Role, config: &Config, network: &NetworkId) -> Option<Finding> {
    let folder = config.path(&table::REPORTS).filter(|_| role == Role::Validator)?;
    let reports = Reports::new(Arc::new(FolderJournal::new(folder)));
    let fault = EvidenceJournal::load(&reports, network).err()?;
    let remedy = format!(
        "set {} (--{}) to another folder, or clear away what lies there if a rehearsal left it",
        table::REPORTS.variable,
        table::REPORTS.flag
    );
    Some(Finding::bad("reports", "reports-unusable", fault.chain(), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_config::ConfigSources;

    #[test]
    fn reports_of_another_network_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let environment = vec![("GRAIL_REPORTS".into(), dir.path().into())];
        let config = Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap();
        let (rehearsal, ours) =
            ("dev-1".parse::<NetworkId>().unwrap(), "chain-2".parse::<NetworkId>().unwrap());
        assert_eq!(of_memory(Role::Validator, &config, &ours), None, "an empty folder");
        let reports = Reports::new(Arc::new(FolderJournal::new(dir.path())));
        EvidenceJournal::new(rehearsal.clone()).save(&reports).unwrap();
        let found = of_memory(Role::Validator, &config, &ours).unwrap();
        assert!(found.is_bad() && found.told.contains("is of network dev-1, this is chain-2"), "{found:?}");
        assert_eq!(of_memory(Role::Validator, &config, &rehearsal), None);
        assert_eq!(of_memory(Role::Miner, &config, &ours), None);
    }
}
