//! Texts that follow from the table: `.env.example`, the page in the book, and a settings file.

use super::table::{self, Preset, Role, Section, Setting};
use std::fmt::Write as _;

fn of(section: Section) -> impl Iterator<Item = &'static Setting> {
    table::ALL.iter().copied().filter(move |setting| setting.section == section)
}

fn preset(setting: &Setting) -> String {
    match setting.preset {
        Preset::Value(value) => format!("`{value}`"),
        Preset::Follows(words) => words.to_owned(),
        Preset::Unset => "–".to_owned(),
    }
}

fn roles(setting: &Setting) -> String {
    if Role::SERVICES.iter().all(|role| setting.roles.contains(role)) {
        return "all".to_owned();
    }
    setting.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

/// `.env.example`: every variable of participants, commented out, with its meaning.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Variables of GRAIL, as `grail config env` prints them. Copy what you need to .env (mode 600), without the #.\n\
         # Lines are read alike by grail, by systemd (EnvironmentFile) and by a shell; values with spaces in single quotes.\n",
    );
    // Writing to a String cannot fail.
    for section in Section::ALL.iter().copied() {
        let mut settings = of(section).filter(|setting| setting.roles != [Role::Tool]).peekable();
        if settings.peek().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {}\n", section.title());
        for setting in settings {
            let default = match setting.preset {
                Preset::Value(value) => format!(" Default: {value}."),
                Preset::Follows(words) => format!(" Default: {words}."),
                Preset::Unset => String::new(),
            };
            let value = match setting.preset {
                Preset::Value(value) => value,
                Preset::Follows(_) | Preset::Unset => "",
            };
            let value = super::quote(value).unwrap_or_default();
            let _ = write!(
                text,
                "# {} Value: {}.{default}\n#{}={value}\n",
                setting.meaning, setting.kind, setting.variable
            );
        }
    }
    text
}

/// The page of the book: one table a subject.
pub fn book() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         `grail config show` prints this table for one machine, each value with its origin.\n\
         This page is made by `grail config book`; a test fails where it differs.\n\n\
         Values come from five layers, each stronger than the one before: the default, `grail.toml`, `.env`, variables of the \
         process, flags.\n\
         The two files are those of the working folder, or those that `--config` and `--env-file` name.\n\
         A value of nothing (`NAME=`) sets nothing.\n\
         A name that nobody reads is refused in `grail.toml`, with the nearest one that somebody does; so is a slip in a variable \
         that begins with `GRAIL_`.\n\
         Other variables, in the environment or in `.env`, may be others': what container platforms set for a service \
         (`GRAIL_PORT=tcp://…`, `GRAIL_SERVICE_HOST`) and names of other programs are passed over, a slip in `R2_…` or `BT_…` is \
         told and stops nothing.\n\
         Names of Bittensor's own tools (`BT_WALLET_NAME`, `BT_SUBTENSOR_NETWORK`) are not read; who set only those is told the \
         name here.\n\
         Secrets are never printed, and never taken as flags, which every user of a machine can see: the flag of a secret names \
         a file.\n\
         Settings of training may also stand in a file of their own, which `GRAIL_TRAINER_SETTINGS` names; what it says counts \
         where no other layer speaks.\n\
         Constants of the protocol are not settings.\n",
    );
    for section in Section::ALL.iter().copied() {
        let _ = write!(
            text,
            "\n## {}\n\n| in `grail.toml` | variable | flag | value | default | read by | meaning |\n|---|---|---|---|---|---|---|\n",
            section.title()
        );
        for setting in of(section) {
            let flag = if setting.roles == [Role::Tool] {
                "–".to_owned()
            } else {
                format!("`--{}`", setting.flag)
            };
            let _ = writeln!(
                text,
                "| `{}` | `{}` | {flag} | {} | {} | {} | {} |",
                setting.toml_name(),
                setting.variable,
                setting.kind.to_string().replace('|', "\\|"),
                preset(setting),
                roles(setting),
                setting.meaning
            );
        }
    }
    text.push_str(
        "\n## Networks by name\n\n| name | what | netuid | nodes | profile |\n|---|---|---|---|---|\n",
    );
    for network in super::networks::ALL {
        let netuid = network.netuid.map_or("–".to_owned(), |netuid| netuid.to_string());
        let _ = writeln!(
            text,
            "| `{}` | {} | {netuid} | {} | `{}` |",
            network.name,
            network.meaning,
            network.endpoints.iter().map(|url| format!("`{url}`")).collect::<Vec<_>>().join(", "),
            network.params.profile
        );
    }
    text
}
