//! Settings that a role cannot do without.

use super::Finding;
use grail_config::{Config, Role, Setting, networks, table};
use std::path::Path;

/// What each role needs of its settings. A development network brings chain, keys and bucket; there the role's key must be
/// named.
pub fn of_settings(role: Role, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut needs = |check: &'static str, setting: &'static Setting, folder: bool| match config.path(setting)
    {
        None => found.push(unset(check, setting)),
        Some(path) if folder => found.push(writable(check, setting, &path)),
        Some(_) => {}
    };
    if role != Role::Tool {
        needs("model", &table::MODEL, false);
    }
    match role {
        Role::Validator => needs("reports", &table::REPORTS, true),
        Role::Trainer => needs("state", &table::TRAINER_STATE, true),
        Role::Miner | Role::Tool => {}
    }
    if config.path(&table::BUNDLES).is_some() && role == Role::Validator {
        needs("bundles", &table::BUNDLES, true);
    }
    if config.path(&table::DEVNET).is_some() {
        if role != Role::Tool && config.text(&table::KEY).is_none() {
            let told = format!("{} is not set: {}", table::KEY.variable, table::KEY.meaning);
            let remedy = format!("set {} (--{})", table::KEY.variable, table::KEY.flag);
            found.push(Finding::bad("key", "setting-missing", told, remedy));
        }
        return found;
    }
    found.extend(profile(config));
    #[cfg(feature = "subnets")]
    found.extend(bucket(role, config));
    found
}

/// Constants of a chain that has no name here are taken from nowhere but the settings.
fn profile(config: &Config) -> Option<Finding> {
    let network = config.network();
    if networks::by_name(&network.name).is_some() || config.text(&table::PROFILE).is_some() {
        return None;
    }
    let told = format!(
        "{} is not set, and this chain has no name here: it is taken for one of the profile {}, with windows of {} blocks",
        table::PROFILE.variable,
        network.params.profile,
        network.params.window_length
    );
    let remedy =
        format!("ask the subnet's owner, and set {} (--{})", table::PROFILE.variable, table::PROFILE.flag);
    Some(Finding::warning("profile", "profile-unsaid", told, remedy))
}

/// The own bucket: a miner and a trainer cannot do without, a validator's verdicts then stay on its machine.
#[cfg(feature = "subnets")]
fn bucket(role: Role, config: &Config) -> Option<Finding> {
    let check = "bucket";
    if config.names_a_store() {
        let problem = crate::store::choose(config).err()?;
        let told = format!("{:#}", anyhow::Error::new(problem));
        let remedy = "`grail doctor --only store` tries the bucket and names what is wrong; `grail setup` asks for all of it";
        return Some(Finding::bad(check, "bucket-settings", told, remedy));
    }
    let told = "no bucket is set";
    let remedy = "`grail setup` asks for one, `grail doctor --only store` tries it";
    match role {
        Role::Miner | Role::Trainer => Some(Finding::bad(check, "setting-missing", told, remedy)),
        Role::Validator => {
            let told = format!("{told}, so verdicts stay on this machine");
            Some(Finding::warning(check, "no-bucket", told, remedy))
        }
        Role::Tool => None,
    }
}

fn unset(check: &'static str, setting: &Setting) -> Finding {
    let told = format!("{} is not set: {}", setting.variable, setting.meaning);
    let remedy = if *setting == table::MODEL {
        format!("set {} (--{}); `grail join` fetches the network's newest", setting.variable, setting.flag)
    } else {
        format!("set {} (--{}) to a folder", setting.variable, setting.flag)
    };
    Finding::bad(check, "setting-missing", told, remedy)
}

/// Whether files can be made in a folder, or the folder in the nearest one that is there.
fn writable(check: &'static str, setting: &Setting, path: &Path) -> Finding {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let probe = grail_fs::beside(&there.join("grail-writes-here"), &format!(".{}", std::process::id()));
    let tried = grail_fs::write(&probe, b"").and_then(|()| grail_fs::remove_file(&probe));
    match tried {
        Ok(()) => Finding::good(check, format!("{} can be written to", path.display())),
        Err(error) => Finding::of_error(
            check,
            "folder-not-writable",
            &anyhow::Error::new(error).context(format!("{} cannot be written to", path.display())),
            format!("change the owner of {}, or set {} to another folder", there.display(), setting.variable),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_config::ConfigSources;

    fn codes(role: Role, variables: &[(&str, &str)]) -> Vec<(&'static str, Option<&'static str>)> {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let config = Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap();
        of_settings(role, &config).into_iter().map(|finding| (finding.check, finding.code)).collect()
    }

    #[test]
    fn what_a_role_cannot_do_without_is_named() {
        let devnet = ("GRAIL_DEVNET", "net");
        let missing = Some("setting-missing");
        assert_eq!(codes(Role::Miner, &[devnet]), [("model", missing), ("key", missing)]);
        let validator = codes(Role::Validator, &[devnet, ("GRAIL_KEY", "v"), ("GRAIL_MODEL", "m")]);
        assert_eq!(validator, [("reports", missing)]);
        let trainer = codes(Role::Trainer, &[devnet, ("GRAIL_KEY", "t"), ("GRAIL_MODEL", "m")]);
        assert_eq!(trainer, [("state", missing)]);
        let dir = tempfile::tempdir().unwrap();
        let reports = dir.path().join("a/b");
        let all =
            [devnet, ("GRAIL_KEY", "v"), ("GRAIL_MODEL", "m"), ("GRAIL_REPORTS", reports.to_str().unwrap())];
        assert_eq!(codes(Role::Validator, &all), [("reports", None)]);
        assert!(!reports.exists() && std::fs::read_dir(dir.path()).unwrap().count() == 0, "nothing is left");
    }

    #[test]
    fn a_folder_that_is_a_file_cannot_be_written_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let inside = file.path().join("reports");
        let variables = [
            ("GRAIL_DEVNET", "net"),
            ("GRAIL_KEY", "v"),
            ("GRAIL_MODEL", "m"),
            ("GRAIL_REPORTS", inside.to_str().unwrap()),
        ];
        assert_eq!(codes(Role::Validator, &variables), [("reports", Some("folder-not-writable"))]);
    }

    #[cfg(feature = "subnets")]
    #[test]
    fn a_chain_without_a_name_asks_for_its_profile() {
        let (node, model) = (("BT_NETWORK", "ws://node.example:9944"), ("GRAIL_MODEL", "m"));
        let bucket = ("bucket", Some("setting-missing"));
        assert_eq!(codes(Role::Miner, &[node, model]), [("profile", Some("profile-unsaid")), bucket]);
        assert_eq!(codes(Role::Miner, &[node, model, ("GRAIL_PROFILE", "dev")]), [bucket]);
    }

    #[cfg(feature = "subnets")]
    #[test]
    fn a_bucket_is_needed_where_files_are_published() {
        let model = ("GRAIL_MODEL", "m");
        assert_eq!(codes(Role::Miner, &[model]), [("bucket", Some("setting-missing"))]);
        let dir = tempfile::tempdir().unwrap();
        let reports = ("GRAIL_REPORTS", dir.path().to_str().unwrap());
        assert_eq!(
            codes(Role::Validator, &[model, reports]),
            [("reports", None), ("bucket", Some("no-bucket"))]
        );
        let half = [model, ("R2_ACCOUNT_ID", "0123456789abcdef0123456789abcdef")];
        assert_eq!(codes(Role::Miner, &half), [("bucket", Some("bucket-settings"))]);
    }
}
