//! Files that the wizard leaves: private, whole or not there, and told apart from what stood there before.

use super::{
    layers::{Config, Origin, Value},
    table::{self, Section, Setting},
    toml_file,
};
use grail_fs::{DiskError, Readers};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Which of the two files a setting is written to: what other tools read as variables too, and every secret, goes to
/// `.env`; the rest to `grail.toml`.
pub fn belongs_to_dotenv(setting: &Setting) -> bool {
    setting.kind.is_secret() || !setting.variable.starts_with("GRAIL_")
}

/// Values as they are written, in the order of the table. Defaults are not written.
fn chosen(config: &Config) -> impl Iterator<Item = (&'static Setting, &Value)> {
    table::ALL.iter().copied().filter_map(|setting| {
        let (value, origin) = config.get(setting)?;
        (*origin != Origin::Default).then_some((setting, value))
    })
}

fn text(value: &Value, masked: bool) -> &str {
    match value {
        Value::Plain(text) => text,
        Value::Secret(_) if masked => "***",
        Value::Secret(secret) => secret.reveal(),
    }
}

/// The content of `.env`; with `masked`, secrets are stars. `None`: a value that no such file can hold.
pub fn dotenv(config: &Config, masked: bool) -> Option<Zeroizing<String>> {
    let mut file = Zeroizing::new(String::from(
        "# Written by `grail setup`. Secrets: keep the mode at 600, and the file out of repositories.\n",
    ));
    for (setting, value) in chosen(config).filter(|(setting, _)| belongs_to_dotenv(setting)) {
        let value = text(value, masked);
        let value = if masked { value.to_owned() } else { super::quote(value)? };
        file.push_str(&format!("{}={value}\n", setting.variable));
    }
    Some(file)
}

/// The content of `grail.toml`.
pub fn toml(config: &Config) -> String {
    let mut file = String::from("# Written by `grail setup`; `grail config show` explains every name.\n");
    let mut last: Option<Section> = None;
    for (setting, value) in chosen(config).filter(|(setting, _)| !belongs_to_dotenv(setting)) {
        if last != Some(setting.section) {
            file.push_str(&format!("\n[{}]\n", setting.section.name()));
            last = Some(setting.section);
        }
        file.push_str(&format!("{} = {}\n", setting.key, toml_file::quoted(setting, text(value, true))));
    }
    file
}

/// Writes a file with mode 600, whole or not at all. What stood there is kept beside it, under the returned name.
pub fn private(path: &Path, content: &str) -> Result<Option<PathBuf>, DiskError> {
    let kept = if path.exists() { Some(keep(path)?) } else { None };
    grail_fs::write_as(path, content.as_bytes(), Readers::Owner)?;
    Ok(kept)
}

/// Copies a file to a name beside it that nothing has.
fn keep(path: &Path) -> Result<PathBuf, DiskError> {
    let content = fs::read(path).map(Zeroizing::new).map_err(|error| DiskError::new("read", path, error))?;
    for number in 1..1_000 {
        let place = grail_fs::beside(path, &format!(".before-{number}"));
        match grail_fs::write_new(&place, &content, Readers::Owner) {
            Ok(()) => return Ok(place),
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let many = "there are a thousand copies of it already; remove some";
    Err(DiskError::new("keep a copy of", path, io::Error::other(many)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigSources;

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_configuration() {
        let before = config(&[
            ("BT_NETWORK", "test"),
            ("R2_WRITE_SECRET_ACCESS_KEY", "a$b#c"),
            ("GRAIL_MODEL", "models/with \"quotes\" and spaces"),
            ("GRAIL_THREADS", "3"),
            ("GRAIL_BEACON_RELAYS", "https://a,https://b"),
        ]);
        let dir = tempfile::tempdir().unwrap();
        let (env, file) = (dir.path().join(".env"), dir.path().join("grail.toml"));
        assert_eq!(private(&env, &dotenv(&before, false).unwrap()).unwrap(), None);
        assert_eq!(private(&file, &toml(&before)).unwrap(), None);
        let after =
            Config::read(&ConfigSources { toml: Some(file), dotenv: Some(env), ..ConfigSources::default() })
                .unwrap();
        for setting in table::ALL {
            let value = |config: &Config| config.get(setting).map(|(value, _)| value.clone());
            assert_eq!(value(&before), value(&after), "{setting}");
        }
        let shown = dotenv(&before, true).unwrap();
        assert!(shown.contains("R2_WRITE_SECRET_ACCESS_KEY=***\n") && !shown.contains("a$b"), "{}", *shown);
    }

    #[test]
    fn a_file_that_stands_there_is_kept_and_nobody_else_may_read_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        private(&path, "one").unwrap();
        let kept = private(&path, "two").unwrap().unwrap();
        let again = private(&path, "three").unwrap().unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!((read(&path), read(&kept), read(&again)), ("three".into(), "one".into(), "two".into()));
        #[cfg(unix)]
        for path in [&path, &kept, &again] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no drafts are left");
    }
}
