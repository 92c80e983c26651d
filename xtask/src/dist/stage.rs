//! The tree that is installed, as it lies below the prefix.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::{PROGRAMS, ROLES, copy, copy_all, licences, listing, sbom, write};
use crate::config::Config;
use crate::workspace::root;
use crate::{cargo, libtorch, tiny};

/// Where the parts come from, and where they go.
pub(super) struct Stage<'a> {
    pub(super) config: &'a Config,
    /// The folder of the built programs.
    pub(super) built: &'a Path,
    /// The libtorch that they were built with.
    pub(super) library: &'a Path,
    /// The tree to fill.
    pub(super) tree: &'a Path,
}

impl Stage<'_> {
    /// Fills the tree.
    pub(super) fn fill(&self, slim: bool) -> Result<()> {
        let (root, tree) = (root()?, self.tree);
        let packaging = root.join("packaging");
        for program in PROGRAMS {
            strip(&self.built.join(program), &tree.join("bin").join(program))?;
        }
        let stub = "lib/libtorch.so";
        for library in libtorch::wanted_libraries().filter(|name| !slim || *name == stub) {
            let name = Path::new(library).file_name().context("a library has a name")?;
            let place = tree.join("lib/grail").join(name);
            copy(&self.library.join(library), &place)?;
            fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).context("set a library's mode")?;
        }
        if !slim {
            PROGRAMS.iter().try_for_each(|program| starts(&tree.join("bin").join(program)))?;
        }
        self.units(&packaging)?;
        self.papers()?;

        let share = tree.join("share/grail");
        for script in ["as-service", "fetch-libtorch", "make-user.sh"] {
            copy(&packaging.join(script), &share.join(script))?;
        }
        for list in ["cpu", "cuda"] {
            let file = format!("libtorch-{list}.txt");
            copy(&packaging.join("libtorch").join(format!("{list}.txt")), &share.join(file))?;
        }
        copy_all(&root.join("skills"), &share.join("skills"))?;
        copy(&packaging.join("install.sh"), &tree.join("install.sh"))?;

        let doc = tree.join("share/doc/grail");
        for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            copy(&root.join(file), &doc.join(file))?;
        }
        copy(&packaging.join(".env.example"), &doc.join("env.example"))?;
        copy_all(&root.join("docs/book"), &doc.join("book"))?;
        copy_all(&root.join("docs/reference"), &doc.join("reference"))?;
        licences::write(self.config, &doc.join("THIRD-PARTY.txt"))?;
        sbom::write(self.config, &doc)?;
        write(&share.join("glibc"), &format!("{}\n", glibc(tree)?))
    }

    /// The units of the repository, which must be what the program prints.
    fn units(&self, packaging: &Path) -> Result<()> {
        for role in ROLES {
            let name = format!("grail-{role}.service");
            let ours = packaging.join("systemd").join(&name);
            let text = fs::read(&ours).with_context(|| format!("cannot read {}", ours.display()))?;
            let mut print = Command::new(self.built.join("grail"));
            let printed = print.args(["config", "unit", role]).stdin(Stdio::null()).output();
            let printed = printed.with_context(|| format!("cannot start {}", cargo::shown(&print)))?;
            ensure!(
                printed.status.success() && printed.stdout == text,
                "{} is not what `grail config unit {role}` prints\nnext step: grail config unit {role} > {}",
                ours.display(),
                ours.display()
            );
            copy(&ours, &self.tree.join("lib/systemd/system").join(&name))?;
        }
        Ok(())
    }

    /// Man pages, and completions where shells look for them.
    fn papers(&self) -> Result<()> {
        let room = self.tree.with_extension("papers");
        super::remove(&room)?;
        let mut print = Command::new(self.built.join("grail-devnet"));
        print.arg("papers").arg(&room).envs(cargo::variables(self.config, Some(self.library)));
        cargo::run(&mut print)?;
        let ours = |name: &str| !name.contains("grail-devnet");
        for name in listing(&room)?.iter().filter(|name| ours(name)) {
            let (kind, file) = name.split_once('/').context("papers lie in folders")?;
            let place = match kind {
                "man" => format!("share/man/man1/{file}"),
                "bash" => format!("share/bash-completion/completions/{}", file.trim_end_matches(".bash")),
                "zsh" => format!("share/zsh/site-functions/{file}"),
                "fish" => format!("share/fish/vendor_completions.d/{file}"),
                _ => bail!("{name}: papers of an unknown kind"),
            };
            copy(&room.join(name), &self.tree.join(place))?;
        }
        super::remove(&room)
    }
}

/// The archive for rehearsals: `grail-devnet`, to be unpacked over the first, and the model that it rehearses with.
pub(super) fn devnet(built: &Path, tree: &Path) -> Result<()> {
    strip(&built.join("grail-devnet"), &tree.join("bin/grail-devnet"))?;
    copy_all(&tiny::folder(root()?), &tree.join("share/grail/models/tiny"))
}

/// Copies a program without its symbols.
fn strip(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)?;
    let mut strip = Command::new("strip");
    cargo::run(strip.arg("--strip-all").arg(to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).context("set a program's mode")
}

/// Whether a program starts with nothing but what lies beside it.
fn starts(program: &Path) -> Result<()> {
    let output = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} does not start from where it would be installed ({})\n  it said: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// The oldest glibc that has all that programs and libraries ask for.
fn glibc(tree: &Path) -> Result<String> {
    let mut newest = (0, 0);
    for name in listing(tree)?.iter().filter(|name| name.starts_with("bin/") || name.contains(".so")) {
        let mut dump = Command::new("objdump");
        dump.arg("-T").arg(tree.join(name));
        let output = dump.stdin(Stdio::null()).output().context("cannot start objdump (binutils)")?;
        ensure!(output.status.success(), "`{}` failed", cargo::shown(&dump));
        newest = newest.max(asked(&String::from_utf8_lossy(&output.stdout)));
    }
    ensure!(newest != (0, 0), "no program asks for a symbol of glibc, which cannot be");
    Ok(format!("{}.{}", newest.0, newest.1))
}

/// The newest version of glibc among a file's dynamic symbols.
fn asked(symbols: &str) -> (u32, u32) {
    let versions = symbols.split("GLIBC_").skip(1).filter_map(|rest| {
        let text = rest.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next()?;
        let mut parts = text.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    });
    versions.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_asked_for_counts() {
        let symbols = "0 DF *UND* 0 (GLIBC_2.9)  close\n0 DF *UND* 0 (GLIBC_2.34) pow\n0 *UND* (GLIBC_2.2.5) read\n\
                       0 DO *UND* (GLIBC_PRIVATE) x\n0 (GLIBCXX_3.4.29) y";
        assert_eq!(asked(symbols), (2, 34));
        assert_eq!(asked(""), (0, 0));
    }
}
