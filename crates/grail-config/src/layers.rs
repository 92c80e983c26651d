use super::{
    ConfigSources, dotenv,
    error::{ConfigError, ConfigErrors, ValuePlace},
    nearness::{is_slip, nearest},
    secret::Secret,
    strangers,
    table::{self, Preset, Section, Setting},
    toml_file,
};
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Most bytes of a file of settings.
const MOST_BYTES: u64 = 256 << 10;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file, `grail.toml` or `.env`.
    File {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
    },
    /// A variable of the process.
    Environment,
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// May be shown.
    Plain(String),
    /// Is never shown.
    Secret(Secret),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

/// Every setting that has a value, checked, with its origin.
#[derive(Debug, Clone)]
pub struct Config {
    /// By variable.
    values: BTreeMap<&'static str, (Value, Origin)>,
    /// The home folder, for paths that begin with `~/`.
    home: Option<PathBuf>,
    /// What was read, and should be written otherwise.
    warnings: Vec<String>,
}

impl Config {
    /// Reads every layer. Errors: everything that is wrong, each with file, line and value.
    pub fn read(sources: &ConfigSources) -> Result<Self, ConfigErrors> {
        let mut reading = Reading::default();
        for setting in table::ALL {
            reading.preset(setting);
        }
        if let Some(path) = &sources.toml {
            reading.toml(path, None);
        }
        if let Some(path) = &sources.dotenv {
            reading.dotenv(path);
        }
        let mut home = None;
        for (name, value) in &sources.environment {
            if name == "HOME" {
                home = Some(PathBuf::from(value)).filter(|home| home.is_absolute());
            }
            if let Some(name) = name.to_str() {
                reading.variable(name, value.to_str());
            }
        }
        for &(setting, ref text) in &sources.flags {
            reading.take(setting, text, ValuePlace::Flag(setting.flag), Origin::Flag);
        }
        reading.done(home)
    }

    /// With a file below everything but the defaults. Names that stand in no table of it are those of `root`.
    pub(crate) fn under(self, path: &Path, root: Section) -> Result<Self, ConfigErrors> {
        let mut reading = Reading { values: self.values, warnings: self.warnings, ..Reading::default() };
        reading.toml(path, Some(root));
        reading.done(self.home)
    }

    /// What was read, and should be written otherwise; what was asked for, and nobody does.
    pub fn warnings(&self) -> Vec<String> {
        self.unserved().map(str::to_owned).into_iter().chain(self.warnings.iter().cloned()).collect()
    }

    /// What stands somewhere and was not read, or was read under an old name, in words.
    pub fn unread(&self) -> &[String] {
        &self.warnings
    }

    /// The value of a setting with its origin, where it has one.
    pub fn get(&self, setting: &Setting) -> Option<(&Value, &Origin)> {
        self.values.get(setting.variable).map(|(value, origin)| (value, origin))
    }

    /// Text of a setting that is no secret.
    pub fn text(&self, setting: &Setting) -> Option<&str> {
        match self.get(setting) {
            Some((Value::Plain(text), _)) => Some(text),
            _ => None,
        }
    }

    /// A secret.
    pub fn secret(&self, setting: &Setting) -> Option<&Secret> {
        match self.get(setting) {
            Some((Value::Secret(secret), _)) => Some(secret),
            _ => None,
        }
    }

    /// A number; its range was checked.
    pub fn number(&self, setting: &Setting) -> Option<u64> {
        self.text(setting)?.parse().ok()
    }

    /// How many; `None` also where this machine cannot count so far.
    pub fn count<N: TryFrom<u64>>(&self, setting: &Setting) -> Option<N> {
        N::try_from(self.number(setting)?).ok()
    }

    /// Whether a flag is set.
    pub fn is_set(&self, setting: &Setting) -> bool {
        self.text(setting) == Some("true")
    }

    /// A path, with `~/` replaced by the home folder.
    pub fn path(&self, setting: &Setting) -> Option<PathBuf> {
        let text = self.text(setting)?;
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(PathBuf::from(text)),
        }
    }

    /// The items of a list.
    pub fn list(&self, setting: &Setting) -> Vec<String> {
        self.text(setting).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Reading {
    values: BTreeMap<&'static str, (Value, Origin)>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
    /// Variables of Bittensor's tools: place, name, value, and the setting that says the same.
    of_bittensor: Vec<(ValuePlace, String, String, &'static Setting)>,
}

impl Reading {
    /// The configuration, or everything that is wrong with it.
    fn done(mut self, home: Option<PathBuf>) -> Result<Config, ConfigErrors> {
        self.tell_of_bittensor();
        if self.errors.is_empty() {
            Ok(Config { values: self.values, home, warnings: self.warnings })
        } else {
            Err(ConfigErrors(self.errors))
        }
    }

    /// The value of a setting that nobody set.
    fn preset(&mut self, setting: &Setting) {
        match setting.preset {
            Preset::Value(value) => {
                let value = Value::Plain(value.to_owned());
                self.values.insert(setting.variable, (value, Origin::Default));
            }
            Preset::Follows(_) | Preset::Unset => {
                self.values.remove(setting.variable);
            }
        }
    }

    /// Takes a checked value, or notes what is wrong with it. Nothing at all counts as not set; as a flag it takes
    /// back what files and variables say.
    fn take(&mut self, setting: &'static Setting, text: &str, place: ValuePlace, origin: Origin) {
        if text.is_empty() {
            if origin == Origin::Flag {
                self.preset(setting);
            }
            return;
        }
        let secret = setting.kind.is_secret();
        match setting.kind.check(text) {
            Ok(()) => {
                let value =
                    if secret { Value::Secret(Secret::new(text)) } else { Value::Plain(text.to_owned()) };
                self.values.insert(setting.variable, (value, origin));
            }
            Err(reason) => {
                let value = if secret { "***".to_owned() } else { format!("{text:?}") };
                self.errors.push(ConfigError::Value { place, name: setting.variable, value, reason });
            }
        }
    }

    fn file(&mut self, path: &Path) -> Option<Zeroizing<String>> {
        // A limit on what is read holds for pipes and devices too, which have no size.
        let mut text = Zeroizing::new(String::new());
        let read = fs::File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
        match read {
            Ok(bytes) if bytes as u64 > MOST_BYTES => {
                self.errors.push(ConfigError::TooLong { path: path.to_owned(), most: MOST_BYTES });
                None
            }
            Ok(_) => Some(text),
            Err(source) => {
                self.errors.push(ConfigError::Unreadable { path: path.to_owned(), source });
                None
            }
        }
    }

    fn toml(&mut self, path: &Path, root: Option<Section>) {
        let Some(text) = self.file(path) else { return };
        let parsed = toml_file::parse(path, &text, root);
        self.errors.extend(parsed.errors);
        self.warnings.extend(parsed.warnings);
        for entry in parsed.entries {
            // With a root the file is read last and counts least.
            let is_set =
                self.values.get(entry.setting.variable).is_some_and(|(_, origin)| *origin != Origin::Default);
            if root.is_some() && is_set {
                continue;
            }
            let line = entry.line;
            let place = ValuePlace::Line { path: path.to_owned(), line };
            self.take(entry.setting, &entry.value, place, Origin::File { path: path.to_owned(), line });
        }
    }

    fn dotenv(&mut self, path: &Path) {
        let Some(text) = self.file(path) else { return };
        let (assignments, errors) = dotenv::parse(path, &text, |name| table::by_variable(name).is_some());
        self.errors.extend(errors);
        let mut seen = BTreeMap::new();
        for assignment in assignments {
            let (line, name) = (assignment.line, assignment.name);
            let place = ValuePlace::Line { path: path.to_owned(), line };
            let Some(setting) = table::by_variable(&name) else {
                let value = assignment.value.as_ref().map(|value| value.as_str());
                self.unknown(place, &name, value.unwrap_or_default());
                continue;
            };
            let value = match assignment.value {
                Ok(value) => value,
                Err(reason) => {
                    self.errors.push(ConfigError::Syntax { place, reason: reason.to_owned() });
                    continue;
                }
            };
            if let Some(first) = seen.insert(setting.variable, line) {
                self.errors.push(ConfigError::Twice { place, name: setting.variable, first });
                continue;
            }
            self.take(setting, &value, place, Origin::File { path: path.to_owned(), line });
        }
    }

    fn variable(&mut self, name: &str, value: Option<&str>) {
        let place = || ValuePlace::Variable(name.to_owned());
        match (table::by_variable(name), value) {
            (Some(setting), Some(value)) => self.take(setting, value, place(), Origin::Environment),
            (Some(setting), None) => self.errors.push(ConfigError::Value {
                place: place(),
                name: setting.variable,
                value: "bytes".to_owned(),
                reason: "it is not UTF-8 text".to_owned(),
            }),
            (None, value) => self.unknown(place(), name, value.unwrap_or_default()),
        }
    }

    /// A variable that nobody reads. It stops the program only where hardly anybody but us can be meant: a slip in a name
    /// with our prefix, of a shape that no platform gives to its own.
    fn unknown(&mut self, place: ValuePlace, name: &str, value: &str) {
        if let Some((_, ours)) = strangers::OF_BITTENSOR.iter().find(|(theirs, _)| *theirs == name) {
            self.of_bittensor.push((place, name.to_owned(), value.to_owned(), ours));
            return;
        }
        if strangers::is_of_a_platform(name, value) {
            return;
        }
        let is_slip = |setting: &&&Setting| is_slip(name, setting.variable);
        let named = |setting: &&'static Setting| (setting.variable, setting.meaning);
        let slip = nearest(name, table::ALL.iter().filter(is_slip).map(named));
        let unknown = |nearest| ConfigError::Unknown { place, name: name.to_owned(), nearest };
        match (name.starts_with("GRAIL_"), slip) {
            (true, Some(_)) => self.errors.push(unknown(slip)),
            (true, None) => self.warnings.push(unknown(None).to_string()),
            // Only what cannot be another word: an environment is full of names.
            (false, Some(_)) if table::PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
                self.warnings.push(unknown(slip).to_string());
            }
            (false, _) => {}
        }
    }

    /// Tells of settings that stand under the names of Bittensor's tools alone, and say something else there.
    fn tell_of_bittensor(&mut self) {
        for (place, name, value, ours) in std::mem::take(&mut self.of_bittensor) {
            let (held, is_set) = match self.values.get(ours.variable) {
                Some((Value::Plain(held), origin)) => (held.as_str(), *origin != Origin::Default),
                _ => ("", false),
            };
            if !is_set && held != value {
                self.warnings.push(format!(
                    "{place}: {name} is read by Bittensor's own tools, not here; ours is {ours}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use table::{
        NETUID, NETWORK, R2_ALLOW_HTTP, R2_WRITE_SECRET_ACCESS_KEY, WALLET_COLD, WALLET_HOT, WALLET_PATH,
    };

    struct Stage {
        dir: tempfile::TempDir,
        sources: ConfigSources,
    }

    fn stage(toml: &str, dotenv: &str, environment: &[(&str, &str)]) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).unwrap();
            Some(dir.path().join(name))
        };
        let sources = ConfigSources {
            toml: file("grail.toml", toml),
            dotenv: file(".env", dotenv),
            environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            flags: Vec::new(),
        };
        Stage { dir, sources }
    }

    fn refused(stage: &Stage) -> String {
        let told = Config::read(&stage.sources).unwrap_err().to_string();
        told.replace(stage.dir.path().to_str().unwrap(), "")
    }

    #[test]
    fn each_layer_wins_over_the_one_below_and_says_where_it_stands() {
        let toml = "[network]\nname = \"test\"\nnetuid = 1\n[wallet]\ncold = \"toml\"\nhot = \"toml\"\n[store]\nallow_http = true\n";
        let mut stage = stage(
            toml,
            "NETUID=2\nBT_WALLET_COLD='dot env'\nBT_WALLET_HOT=\n",
            &[("BT_WALLET_COLD", "env"), ("HOME", "/home/ada")],
        );
        stage.sources.flags.push((&NETUID, "3".to_owned()));
        let config = Config::read(&stage.sources).unwrap();
        let origin = |setting| config.get(setting).unwrap().1.clone();
        assert_eq!((config.text(&NETWORK), config.number(&NETUID)), (Some("test"), Some(3)));
        assert_eq!(origin(&NETUID), Origin::Flag);
        assert_eq!(origin(&NETWORK), Origin::File { path: stage.dir.path().join("grail.toml"), line: 2 });
        assert_eq!((config.text(&WALLET_COLD), origin(&WALLET_COLD)), (Some("env"), Origin::Environment));
        assert_eq!(config.text(&WALLET_HOT), Some("toml"), "nothing after the equals sign sets nothing");
        assert!(config.is_set(&R2_ALLOW_HTTP));
        assert_eq!(config.path(&WALLET_PATH).unwrap(), Path::new("/home/ada/.bittensor/wallets"));
        assert_eq!(origin(&WALLET_PATH), Origin::Default);
    }

    #[test]
    fn an_empty_flag_takes_back_what_files_say() {
        let mut stage = stage("", "R2_ENDPOINT_URL=https://s3.example\nBT_WALLET_HOT=ada\n", &[]);
        stage.sources.flags = vec![(&table::R2_ENDPOINT_URL, String::new()), (&WALLET_HOT, String::new())];
        let config = Config::read(&stage.sources).unwrap();
        assert_eq!((config.text(&table::R2_ENDPOINT_URL), config.text(&WALLET_HOT)), (None, Some("default")));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let stage = stage(
            "[network]\nnam = \"test\"\nnetuid = 70000\n[stor]\n[wallet]\ncold = 1.5\n",
            "GRAIL_MODLE=x\nR2_WRITE_SECRET_ACCESS_KEY='a b'\nNETUID=1\nNETUID=2\nXYZZY\nBT_WALLET_HOT=$HOT\nRUST_LOG=info\n",
            &[("GRAIL_DEVISE", "cpu"), ("R2_REGION", "auto"), ("PATH", "/bin"), ("BT_NETWORK", "main")],
        );
        let told = refused(&stage);
        for expected in [
            "grail.toml line 2: nobody reads \"network.nam\"; did you mean name?",
            "grail.toml line 3: NETUID cannot be \"70000\": expected a whole number from 0 to 65535",
            "grail.toml line 4: nobody reads \"[stor]\"; did you mean store?",
            "grail.toml line 6: BT_WALLET_COLD cannot be of the kind float",
            ".env line 1: nobody reads \"GRAIL_MODLE\"; did you mean GRAIL_MODEL?",
            ".env line 2: R2_WRITE_SECRET_ACCESS_KEY cannot be ***: expected a secret",
            ".env line 4: NETUID stands in line 3 already",
            ".env line 5: expected NAME=value",
            ".env line 6: characters that a shell",
            "the variable GRAIL_DEVISE: nobody reads \"GRAIL_DEVISE\"; did you mean GRAIL_DEVICE?",
            "the variable BT_NETWORK: BT_NETWORK cannot be \"main\": expected finney, test, local",
        ] {
            assert!(told.contains(expected), "{expected:?} is missing in\n{told}");
        }
        assert_eq!(told.lines().count(), 11, "{told}");
        assert!(!told.contains("a b"), "{told}");
    }

    #[test]
    fn variables_of_others_stop_nothing_wherever_they_stand() {
        // What a container platform, Bittensor's tools, another subnet and other programs set.
        let theirs = [
            ("GRAIL_PORT", "tcp://192.0.2.7:80"),
            ("GRAIL_SERVICE_HOST", "192.0.2.7"),
            ("GRAIL_PORT_80_TCP_ADDR", "192.0.2.7"),
            ("GRAIL_MODEL_SERVICE_PORT_HTTP", "80"),
            ("GRAIL_DEVNET_PORT", "tcp://192.0.2.7:80"),
            ("GRAIL_VERSION", "1.2"),
            ("BT_LOGGING_DEBUG", "1"),
            ("BT_AXON_PORT", "8091"),
            ("BT_WALLET_NAME", "default"),
            ("BT_SUBTENSOR_NETWORK", "finney"),
            ("R2_GRADIENTS_ACCOUNT_ID", "x"),
            ("R2_BUCKT_ID", "x"),
            ("POSTGRES_URL", "a?b&c"),
        ];
        let in_environment = Config::read(&stage("", "", &theirs).sources).unwrap();
        let file: String = theirs.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let in_file = Config::read(&stage("", &file, &[]).sources).unwrap();
        for (config, slip) in [(in_environment, "the variable R2_BUCKT_ID"), (in_file, ".env line 12")] {
            let told = config.warnings();
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[0].ends_with("nobody reads \"GRAIL_VERSION\""), "{told:?}");
            assert!(told[1].contains(slip) && told[1].ends_with("did you mean R2_BUCKET_ID?"), "{told:?}");
        }
    }

    #[test]
    fn a_setting_under_the_name_of_bittensors_tools_is_told_where_it_would_be_missed() {
        let told = |environment: &[(&str, &str)]| {
            Config::read(&stage("", "", environment).sources).unwrap().warnings()
        };
        let missed = told(&[("BT_WALLET_NAME", "ada"), ("BT_SUBTENSOR_NETWORK", "test")]);
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(
            missed[0].contains("BT_WALLET_NAME") && missed[0].ends_with("ours is BT_WALLET_COLD"),
            "{missed:?}"
        );
        assert_eq!(told(&[("BT_WALLET_NAME", "ada"), ("BT_WALLET_COLD", "eve")]), [""; 0]);
    }

    #[test]
    fn broken_missing_and_endless_files_are_named() {
        let told = refused(&stage("[network\nname = 1", "", &[]));
        assert!(told.contains("grail.toml line 1:"), "{told}");
        let told = refused(&stage("network = 1", "", &[]));
        assert!(told.contains("line 1: network is a table; write [network]"), "{told}");
        let mut gone = stage("", "", &[]);
        gone.sources.toml = Some(gone.dir.path().join("gone.toml"));
        assert!(refused(&gone).contains("cannot read /gone.toml: No such file"));
        let mut endless = stage("", "", &[]);
        endless.sources.dotenv = Some("/dev/zero".into());
        assert!(refused(&endless).contains("/dev/zero has more than 262144 bytes"));
    }

    #[test]
    fn secrets_are_held_as_secrets() {
        let config = Config::read(&stage("", "R2_WRITE_SECRET_ACCESS_KEY=hunter2\n", &[]).sources).unwrap();
        assert_eq!(config.secret(&R2_WRITE_SECRET_ACCESS_KEY).unwrap().reveal(), "hunter2");
        assert_eq!(config.text(&R2_WRITE_SECRET_ACCESS_KEY), None);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.get(&R2_WRITE_SECRET_ACCESS_KEY).unwrap().0.to_string(), "***");
    }
}
