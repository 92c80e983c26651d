//! `cargo xtask walk`: an operator's way in a clean Debian tree, from the archive to a window that is paid.
//!
//! The commands are those of the pages: blocks that are marked ```` ```sh walk ```` in `docs/book/setup-miner.md` and
//! `setup-validator.md`, in their order. systemd cannot run in the tree; `systemctl` there lets systemd-analyze verify the unit
//! and starts its command as its user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::write_error;
use crate::config::Config;
use crate::dist::{self, Made};
use crate::report::{self, Stopwatch};
use crate::workspace::root;
use crate::{cargo, fetch, libtorch};

/// How to walk.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The profile to build the archive with; `dev` is quick
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Leave the trees there, to look into
    #[arg(long)]
    keep: bool,
}

/// The release of Debian.
const RELEASE: &str = "bookworm";
/// What is in a tree beside the smallest system: a machine with systemd.
const BARE: &[&str] = &["systemd"];
/// The same with what the installer needs to fetch libtorch and to check a signature.
const FETCHING: &[&str] = &["systemd", "openssh-client", "python3-pip"];
/// Pages that an operator follows alone.
const PAGES: [&str; 2] = ["setup-miner.md", "setup-validator.md"];

/// Walks.
///
/// # Errors
/// At the first command that fails.
pub(crate) fn run(config: &Config, args: &Args) -> Result<()> {
    let watch = Stopwatch::start();
    let tools = ["debootstrap", "unshare", "chroot", "tar", "ssh-keygen"];
    for tool in tools {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
        ensure!(
            found.is_ok_and(|status| status.success()),
            "{tool} is not there\nnext step: apt-get install debootstrap util-linux coreutils tar openssh-client"
        );
    }
    let made = dist::run(config, &dist::Args::with_profile(&args.profile))?;
    let room = config.cache.root().join("walk");
    let walk = root()?.join("packaging/walk");
    let script = |name: &str| read(&walk.join(name));

    let mut scripts = vec![("what the installer refuses", script("before.sh")?)];
    for page in PAGES {
        let path = root()?.join("docs/book").join(page);
        let commands = marked(&read(&path)?);
        ensure!(!commands.is_empty(), "{} has no block that is marked `sh walk`", path.display());
        scripts.push((page, format!("set -eux\n{commands}")));
    }
    scripts.push(("what must hold afterwards", script("after.sh")?));
    let bare = base(config, BARE)?;
    let leave = |tree: &Path| {
        if args.keep {
            report::note(&format!("the tree is in {}", tree.display()));
            Ok(())
        } else {
            remove(tree)
        }
    };
    let tree = fresh(&room.join("tree"), &bare, &made)?;
    inside(&tree, &scripts)?;
    leave(&tree)?;
    if made.deb.is_some() {
        let tree = fresh(&room.join("tree-deb"), &bare, &made)?;
        inside(&tree, &[("the Debian package", script("deb.sh")?)])?;
        leave(&tree)?;
    }

    let keys = keys(&room.join("keys"))?;
    let out = made.out.with_file_name("dist-slim");
    let made = dist::run(config, &dist::Args::slim(&args.profile, out, keys.join("ours")))?;
    let tree = fresh(&room.join("tree-slim"), &base(config, FETCHING)?, &made)?;
    for list in ["signers", "strangers"] {
        copy(&keys.join(list), &tree.join("walk").join(list))?;
    }
    wheels(config, &tree.join("walk/wheels"))?;
    inside(&tree, &[("without libtorch, signed, and by the skill", script("slim.sh")?)])?;
    leave(&tree)?;
    report::done(&format!("walked, in {}", report::duration(watch.elapsed())));
    Ok(())
}

/// Two keys of ssh-keygen, ours and a stranger's, and for each the list in which it may sign.
fn keys(folder: &Path) -> Result<PathBuf> {
    remove(folder)?;
    fs::create_dir_all(folder).map_err(|cause| write_error(cause, folder))?;
    for (key, list) in [("ours", "signers"), ("theirs", "strangers")] {
        let place = folder.join(key);
        let mut make = Command::new("ssh-keygen");
        cargo::run(make.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&place))?;
        let (path, public) = (folder.join(list), read(&place.with_extension("pub"))?);
        fs::write(&path, format!("grail namespaces=\"grail-release\" {public}"))
            .map_err(|cause| write_error(cause, &path))?;
    }
    Ok(folder.to_owned())
}

/// The wheels that libtorch is taken from, in a folder that stands for the package index.
fn wheels(config: &Config, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|cause| write_error(cause, folder))?;
    let _lock = config.cache.lock()?;
    for (wheel, _) in libtorch::wheels(&config.cache) {
        copy(&fetch::wheel(&config.cache, wheel)?, &folder.join(wheel.file))?;
    }
    Ok(())
}

/// The clean system, packed; made once.
fn base(config: &Config, include: &[&str]) -> Result<PathBuf> {
    let name = format!("debian-{RELEASE}-{}.tar", include.join("-"));
    let place = config.cache.root().join("walk").join(name);
    if place.is_file() {
        return Ok(place);
    }
    let _lock = config.cache.lock()?;
    report::step(&format!("debootstrap of Debian {RELEASE} with {}, once", include.join(", ")));
    let tree = place.with_extension("partial");
    remove(&tree)?;
    fs::create_dir_all(&tree).map_err(|cause| write_error(cause, &tree))?;
    let mut make = Command::new("debootstrap");
    make.args(["--variant=minbase", &format!("--include={}", include.join(",")), RELEASE]).arg(&tree);
    cargo::run(make.stdout(Stdio::null()))?;
    let packed = place.with_extension("tar.partial");
    cargo::run(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&packed).arg("."))?;
    fs::rename(&packed, &place).map_err(|cause| write_error(cause, &place))?;
    remove(&tree)?;
    Ok(place)
}

/// A tree as it comes from Debian, with the download in its root's folder.
fn fresh(tree: &Path, base: &Path, made: &Made) -> Result<PathBuf> {
    remove(tree)?;
    let download = tree.join("root").join("download");
    fs::create_dir_all(tree).map_err(|cause| write_error(cause, tree))?;
    cargo::run(Command::new("tar").arg("-C").arg(tree).arg("-xf").arg(base))?;
    fs::create_dir_all(&download).map_err(|cause| write_error(cause, &download))?;
    for entry in fs::read_dir(&made.out).with_context(|| format!("cannot list {}", made.out.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", made.out.display()))?.path();
        let to = download.join(path.file_name().context("a file has a name")?);
        copy(&path, &to)?;
    }
    let (walk, to) = (root()?.join("packaging/walk"), tree.join("walk"));
    let shim = to.join("bin/systemctl");
    copy(&walk.join("systemctl"), &shim)?;
    copy(&walk.join("refuses.sh"), &to.join("refuses.sh"))?;
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).context("set a mode")?;
    Ok(tree.to_owned())
}

/// Runs scripts in the tree, one after the other: as root, in the folder of the download, without a network. What they start
/// lives until the last one ends.
fn inside(tree: &Path, scripts: &[(&str, String)]) -> Result<()> {
    let mut driver = String::from("cd ~/download\n");
    for (number, (what, script)) in scripts.iter().enumerate() {
        let place = tree.join(format!("walk/{number}.sh"));
        fs::write(&place, script).map_err(|cause| write_error(cause, &place))?;
        driver.push_str(&format!(
            "echo '→ in the clean tree: {what}'\nsh /walk/{number}.sh || {{ echo 'failed: {what}'; exit 1; }}\n"
        ));
    }
    let place = tree.join("walk/driver.sh");
    fs::write(&place, driver).map_err(|cause| write_error(cause, &place))?;
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", INSIDE, "sh"])
        .arg(tree)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let status = shell.stdin(Stdio::null()).status().context("cannot start unshare")?;
    ensure!(status.success(), "the walk failed in the clean tree ({status}), see above");
    Ok(())
}

/// What is mounted goes away with the namespace.
const INSIDE: &str = "mount -t proc proc \"$1/proc\" && mount --bind /dev \"$1/dev\" && exec chroot \"$1\" /usr/bin/env -i \
    HOME=/root LANG=C.UTF-8 PATH=/walk/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh /walk/driver.sh";

/// The commands of a page that are marked for the walk.
fn marked(page: &str) -> String {
    let mut text = String::new();
    let mut on = false;
    for line in page.lines() {
        match line.trim().strip_prefix("```") {
            Some(info) => on = !on && info.split_whitespace().eq(["sh", "walk"]),
            None if on => text.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    text
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|cause| write_error(cause, parent))?;
    }
    fs::copy(from, to).map_err(|cause| write_error(cause, to))?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Removes a tree. Nothing is mounted in it: mounts live in the namespace of a script.
fn remove(tree: &Path) -> Result<()> {
    let mounts = read(Path::new("/proc/self/mounts"))?;
    if mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at).starts_with(tree))) {
        bail!("something is mounted below {}; it is left alone", tree.display());
    }
    match fs::remove_dir_all(tree) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(write_error(cause, tree)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_those_that_are_marked() {
        let page = "a\n```sh walk\none\ntwo\n```\n```sh\nthree\n```\n```sh walk\nfour\n```\n```\nfive\n```\n";
        assert_eq!(marked(page), "one\ntwo\nfour\n");
    }

    #[test]
    fn the_pages_that_an_operator_follows_have_commands_to_walk() {
        for page in PAGES {
            let text = read(&root().expect("a root").join("docs/book").join(page)).expect("a page");
            assert!(marked(&text).contains("systemctl"), "{page}");
        }
    }
}
