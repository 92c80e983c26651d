//! systemd units of the services, which follow from the same table as everything else.

use super::table::{self, Role};
use std::fmt::Write as _;

/// Folder of the configuration that the units read.
pub const ETC: &str = "/etc/grail";
/// Folder of what services keep.
pub const STATE: &str = "/var/lib/grail";

/// The unit of a service. One text for every way of installing: systemd looks for a program without a path in
/// `/usr/local/bin`, where `install.sh` puts it, and then in `/usr/bin`, where the Debian package does.
/// `None` for [`Role::Tool`], which is none.
pub fn unit(role: Role) -> Option<String> {
    if role == Role::Tool {
        return None;
    }
    let name = role.name();
    let mut text = format!(
        "# grail-{name}.service, as `grail config unit {name}` prints it.\n\
         # Settings stand in {ETC}/grail.toml and {ETC}/{name}.env; `grail config show` explains them.\n\
         # {name}.env holds secrets: owner root, mode 600; systemd reads it. {ETC} and grail.toml: group grail, modes 750 and 640.\n\
         [Unit]\n\
         Description=GRAIL {name}\n\
         Documentation=man:grail-{name}(1)\n\
         Wants=network-online.target\n\
         After=network-online.target time-sync.target\n\
         # What may pass is waited out, and started again without end.\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=simple\n\
         User=grail\n\
         Group=grail\n\
         EnvironmentFile={ETC}/{name}.env\n"
    );
    // Writing to a String cannot fail.
    for (setting, folder) in folders(role) {
        let _ = writeln!(text, "Environment={}={folder}", setting.variable);
    }
    let _ = write!(
        text,
        "WorkingDirectory={ETC}\n\
         ExecStart=grail-{name} run\n\
         Restart=always\n\
         RestartSec=10\n\
         # 2: a mistake that waiting does not mend; 127: a library is missing. 75 says that another start may do better.\n\
         RestartPreventExitStatus=2 127\n\
         TimeoutStopSec=120\n\
         KillSignal=SIGINT\n\
         \n\
         # The program parses files of strangers: it sees and changes as little of the machine as it can.\n\
         StateDirectory=grail\n\
         StateDirectoryMode=0750\n\
         CacheDirectory=grail\n\
         CacheDirectoryMode=0750\n\
         UMask=0077\n\
         NoNewPrivileges=yes\n\
         CapabilityBoundingSet=\n\
         ProtectSystem=strict\n\
         ProtectHome=read-only\n\
         PrivateTmp=yes\n\
         ProtectKernelTunables=yes\n\
         ProtectKernelModules=yes\n\
         ProtectControlGroups=yes\n\
         RestrictSUIDSGID=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n\
         LockPersonality=yes\n\
         LimitNOFILE=65536\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    Some(text)
}

/// Folders of a service, by setting. They are set before the file of variables would be, were it to
/// set them too: systemd gives `EnvironmentFile` the last word.
fn folders(role: Role) -> Vec<(&'static table::Setting, String)> {
    let mut folders = vec![
        (&table::CACHE_DIR, "/var/cache/grail".to_owned()),
        // A service has no home of a person in which wallets could be looked for.
        (&table::WALLET_PATH, format!("{STATE}/wallets")),
    ];
    match role {
        Role::Validator => folders.push((&table::REPORTS, format!("{STATE}/reports"))),
        Role::Trainer => folders.push((&table::TRAINER_STATE, format!("{STATE}/trainer"))),
        Role::Miner | Role::Tool => {}
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_unit_that_names_its_own_files() {
        for role in Role::SERVICES {
            let unit = unit(role).unwrap();
            let name = role.name();
            assert!(unit.contains(&format!("ExecStart=grail-{name} run\n")), "{unit}");
            // What may pass (75) is started again without end, and a mistake (2) is not.
            for line in ["StartLimitIntervalSec=0", "Restart=always", "RestartPreventExitStatus=2 127"] {
                assert!(unit.lines().any(|of| of == line), "{line}: {unit}");
            }
            assert!(!unit.contains("StartLimitBurst"), "{unit}");
            for line in unit.lines().filter_map(|line| line.strip_prefix("Environment=")) {
                let (variable, value) = line.split_once('=').unwrap();
                let setting = table::by_variable(variable).unwrap();
                assert!(setting.roles.contains(&role) && setting.kind.check(value).is_ok(), "{line}");
            }
        }
        assert_eq!(unit(Role::Tool), None);
    }
}
