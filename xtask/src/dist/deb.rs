//! The Debian package: the tree of the archive below `/usr`, with what makes user and folders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{copy, copy_all, listing, remove, write};
use crate::workspace::root;
use crate::{cargo, report};

/// Builds it out of the archive's tree; `None` where this machine has no dpkg-deb, which is said.
pub(super) fn build(tree: &Path, out: &Path, version: &str, time: u64) -> Result<Option<PathBuf>> {
    let quiet = Command::new("dpkg-deb").arg("--version").stdin(Stdio::null()).output();
    if !quiet.is_ok_and(|output| output.status.success()) {
        report::skipped("the Debian package", "dpkg-deb is not there; `apt-get install dpkg` brings it");
        return Ok(None);
    }
    let room = out.join("deb");
    remove(&room)?;
    let usr = room.join("usr");
    for folder in ["bin", "lib", "share"] {
        copy_all(&tree.join(folder), &usr.join(folder))?;
    }
    // Debian's own place for completions of zsh.
    let zsh = usr.join("share/zsh");
    fs::rename(zsh.join("site-functions"), zsh.join("vendor-completions"))
        .context("move zsh's completions")?;
    let licences = root()?.join("LICENSE-MIT");
    copy(&licences, &usr.join("share/doc/grail/copyright"))?;

    let mut bytes = 0;
    for name in listing(&room)? {
        bytes += fs::metadata(room.join(&name)).with_context(|| format!("cannot look at {name}"))?.len();
    }
    let glibc = fs::read_to_string(tree.join("share/grail/glibc")).context("cannot read glibc's version")?;
    let packaging = root()?.join("packaging");
    let user = fs::read_to_string(packaging.join("make-user.sh")).context("cannot read make-user.sh")?;
    let control = room.join("DEBIAN");
    for name in ["control", "postinst", "prerm", "postrm"] {
        let path = packaging.join("deb").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = text
            .replace("@VERSION@", version)
            .replace("@GLIBC@", glibc.trim())
            .replace("@KILOBYTES@", &bytes.div_ceil(1024).to_string())
            .replace("@MAKE_USER@\n", &user);
        write(&control.join(name), &text)?;
        let mode = if name == "control" { 0o644 } else { 0o755 };
        fs::set_permissions(control.join(name), fs::Permissions::from_mode(mode)).context("set a mode")?;
    }
    folders(&room)?;
    let place = out.join(format!("grail_{version}_amd64.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zgzip", "-z6", "--build"]).arg(&room).arg(&place);
    cargo::run(pack.env("SOURCE_DATE_EPOCH", time.to_string()).stdout(Stdio::null()))?;
    remove(&room)?;
    Ok(Some(place))
}

/// Folders that everybody may enter, whatever the umask was.
fn folders(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).context("set a folder's mode")?;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.is_dir() {
            folders(&path)?;
        }
    }
    Ok(())
}
