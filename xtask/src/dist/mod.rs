//! `cargo xtask dist`: what an operator installs, in one folder: the archive, the Debian package, the installer, container
//! files, and the checksums of all.

mod deb;
mod licences;
mod sbom;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::write_error;
use crate::config::Config;
use crate::report::{self, Stopwatch};
use crate::workspace::root;
use crate::{cargo, fetch, libtorch};

/// Programs of the archive. `grail-devnet` lies in an archive of its own: it is for rehearsals.
const PROGRAMS: [&str; 4] = ["grail", "grail-miner", "grail-validator", "grail-trainer"];
/// The roles that have a unit.
const ROLES: [&str; 3] = ["miner", "validator", "trainer"];
/// The packages that the programs are built from.
const PACKAGES: [&str; 3] = ["grail-cli", "grail-programs", "grail-demo"];
/// The profile of what is given to others.
const PROFILE: &str = "dist";

/// What to make.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The profile to build with; `dev` is quick, for work on the packaging itself
    #[arg(long, default_value = PROFILE)]
    profile: String,
    /// Where to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave libtorch out of the archive: install.sh fetches it, against pinned digests
    #[arg(long)]
    slim: bool,
    /// Sign SHA256SUMS with this key of ssh-keygen
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
}

impl Args {
    /// Everything, built with that profile.
    pub(crate) fn with_profile(profile: &str) -> Self {
        Self { profile: profile.to_owned(), out: None, slim: false, sign: None }
    }

    /// Without libtorch, into that folder, signed.
    pub(crate) fn slim(profile: &str, out: PathBuf, key: PathBuf) -> Self {
        Self { profile: profile.to_owned(), out: Some(out), slim: true, sign: Some(key) }
    }
}

/// What was made, by path.
#[derive(Debug)]
pub(crate) struct Made {
    /// The folder of it all.
    pub(crate) out: PathBuf,
    /// The Debian package, where dpkg-deb is there.
    pub(crate) deb: Option<PathBuf>,
}

/// Makes it.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run(config: &Config, args: &Args) -> Result<Made> {
    let watch = Stopwatch::start();
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the archive is for Linux on x86-64, and is made there"
    );
    ensure!(
        config.own_libtorch.is_none(),
        "LIBTORCH names a libtorch of your own, and the archive holds the pinned one\nnext step: unset LIBTORCH"
    );
    let library = libtorch::ensure(config)?;
    let built = build(config, &library, &args.profile)?;
    let out = args.out.clone().unwrap_or(root()?.join("target").join("dist"));
    fs::create_dir_all(&out).map_err(|cause| write_error(cause, &out))?;
    let out = std::path::absolute(&out).context("name the folder from the root")?;
    remove(&out)?;
    fs::create_dir_all(&out).map_err(|cause| write_error(cause, &out))?;

    let version = env!("CARGO_PKG_VERSION");
    let name = format!("grail-{version}-x86_64-linux");
    let tree = out.join(&name);
    report::step(&format!("laying out {name}"));
    let stage = stage::Stage { config, built: &built, library: &library, tree: &tree };
    stage.fill(args.slim)?;
    if args.profile == PROFILE {
        unnamed(&tree, &folders(config, &library)?)?;
    }
    sums(&tree, &tree.join("SHA256SUMS"))?;
    let time = commit_time();
    pack(&out, &name, time)?;
    let devnet_name = format!("grail-devnet-{version}-x86_64-linux");
    stage::devnet(&built, &out.join(&devnet_name))?;
    pack(&out, &devnet_name, time)?;
    let deb = if args.slim {
        report::skipped("the Debian package", "it holds libtorch, and --slim leaves that out");
        None
    } else {
        deb::build(&tree, &out, version, time)?
    };
    for folder in [&name, &devnet_name] {
        remove(&out.join(folder))?;
    }
    let packaging = root()?.join("packaging");
    for file in ["install.sh", "container/cpu.Dockerfile", "container/cuda.Dockerfile"] {
        let name = Path::new(file).file_name().context("a file has a name")?;
        copy(&packaging.join(file), &out.join(name))?;
    }
    sums(&out, &out.join("SHA256SUMS"))?;
    if let Some(key) = &args.sign {
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-Y", "sign", "-n", "grail-release", "-f"]).arg(key).arg(out.join("SHA256SUMS"));
        cargo::run(&mut sign)?;
    }
    if args.profile != PROFILE {
        report::note(&format!(
            "built with the profile {}: for trying out, not to be given to others",
            args.profile
        ));
    }
    for entry in listing(&out)? {
        let bytes = fs::metadata(out.join(&entry)).map_or(0, |meta| meta.len());
        report::note(&format!("{:>8}  {entry}", fetch::megabytes(bytes)));
    }
    report::done(&format!("{} in {}", out.display(), report::duration(watch.elapsed())));
    Ok(Made { out, deb })
}

/// Builds the programs and returns the folder that holds them.
fn build(config: &Config, library: &Path, profile: &str) -> Result<PathBuf> {
    report::step(&format!("building the programs with the profile {profile}"));
    let mut build = cargo::command(config, Some(library))?;
    build.args(["build", "--locked", "--bins", "--profile", profile]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if profile == PROFILE {
        // No folder of this machine in what is given to others. Another profile shares its builds with tests, which
        // other flags would make anew.
        let (mut rust, mut c) = (Vec::new(), Vec::new());
        for (folder, name) in folders(config, library)? {
            rust.push(format!("--remap-path-prefix={}={name}", folder.display()));
            // Headers of libtorch name themselves in their messages.
            c.push(format!("-ffile-prefix-map={}={name}", folder.display()));
        }
        build.env("RUSTFLAGS", rust.join(" ")).env("CFLAGS", c.join(" ")).env("CXXFLAGS", c.join(" "));
    }
    cargo::run(&mut build)?;
    Ok(config.target_dir.join(if profile == "dev" { "debug" } else { profile }))
}

/// Folders of this machine that programs would name, and what they name in their place.
fn folders(config: &Config, library: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let own = [(root()?.to_owned(), "/grail"), (library.to_owned(), "/libtorch")];
    Ok(own.into_iter().chain(config.cargo_home.clone().map(|home| (home, "/cargo"))).collect())
}

/// Refuses programs that name a folder of this machine.
fn unnamed(tree: &Path, folders: &[(PathBuf, &str)]) -> Result<()> {
    for name in listing(tree)?.iter().filter(|name| name.starts_with("bin/")) {
        let bytes = fs::read(tree.join(name)).with_context(|| format!("cannot read {name}"))?;
        for (folder, _) in folders {
            let words = folder.as_os_str().as_encoded_bytes();
            ensure!(
                !bytes.windows(words.len()).any(|at| at == words),
                "{name} names {}, a folder of this machine, and it is to be given to others",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Packs a folder below `out`, so that the same files give the same bytes.
fn pack(out: &Path, name: &str, time: u64) -> Result<PathBuf> {
    let archive = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.current_dir(out)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=posix"])
        .args(["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"])
        .arg(format!("--mtime=@{time}"))
        .args(["--use-compress-program=gzip -n -6", "-cf"])
        .arg(&archive)
        .arg(name);
    cargo::run(&mut tar)?;
    Ok(archive)
}

/// Seconds of the last commit, which files of the archive carry; 0 where there is no git.
fn commit_time() -> u64 {
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Writes the digests of every file below a folder, in the words of `sha256sum`.
fn sums(folder: &Path, to: &Path) -> Result<()> {
    let mut text = String::new();
    for name in listing(folder)? {
        if folder.join(&name) != to {
            text.push_str(&format!("{}  {name}\n", fetch::sha256(&folder.join(&name))?));
        }
    }
    write(to, &text)
}

/// Every file below a folder, relative to it, in order.
fn listing(folder: &Path) -> Result<Vec<String>> {
    fn walk(folder: &Path, before: &str, found: &mut Vec<String>) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let name = entry.file_name().into_string();
            let Ok(name) = name else { bail!("a name in {} is not UTF-8", folder.display()) };
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{before}{name}/"), found)?;
            } else {
                found.push(format!("{before}{name}"));
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

/// Copies a file, mode and all, into a folder that is made where it is missing.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|cause| write_error(cause, parent))?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Copies every file below a folder.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    listing(from)?.iter().try_for_each(|name| copy(&from.join(name), &to.join(name)))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|cause| write_error(cause, parent))?;
    }
    fs::write(path, text).map_err(|cause| write_error(cause, path))
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(write_error(cause, folder)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_names_a_folder_of_this_machine_is_found() {
        let home = tempfile::tempdir().expect("a folder");
        write(&home.path().join("bin/program"), "at /some/where/else: wrong").expect("written");
        let look = |folder: &str| unnamed(home.path(), &[(PathBuf::from(folder), "/grail")]);
        look("/some/body").expect("not in it");
        let error = look("/some/where").expect_err("it is in it").to_string();
        assert!(error.contains("bin/program names /some/where"), "{error}");
    }

    #[test]
    fn sums_name_every_file_but_themselves_and_the_same_files_pack_alike() {
        let home = tempfile::tempdir().expect("a folder");
        let make = |out: &str| {
            let out = home.path().join(out);
            let tree = out.join("it");
            write(&tree.join("b/c"), "abc").expect("written");
            write(&tree.join("a"), "").expect("written");
            sums(&tree, &tree.join("SHA256SUMS")).expect("digests");
            let sums = fs::read_to_string(tree.join("SHA256SUMS")).expect("digests");
            (sums, fs::read(pack(&out, "it", 7).expect("packed")).expect("an archive"))
        };
        let (sums, one) = make("one");
        let names: Vec<&str> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(names, ["a", "b/c"]);
        // SHA-256 of "abc", from the standard's own example.
        assert!(
            sums.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b/c"),
            "{sums}"
        );
        assert_eq!(make("two").1, one);
    }
}
