//! The workspace as cargo sees it: members, their manifests, and who depends on whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, NodeDep, Package, PackageId};

use crate::config::Config;

/// The graph of packages, resolved for this machine.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Workspace {
    /// Root of the checkout.
    pub(crate) root: PathBuf,
    /// Our own packages by name.
    pub(crate) members: BTreeMap<String, Member>,
    /// Names of the members that plain `cargo build` takes.
    pub(crate) default_members: BTreeSet<String>,
    /// Every package, ours and foreign: name → names of what it is built with (normal and build dependencies).
    /// Two versions of one package are one entry, which can only make more things reachable, never fewer.
    pub(crate) uses: BTreeMap<String, BTreeSet<String>>,
}

/// A package of the workspace.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its folder, relative to the root.
    pub(crate) folder: PathBuf,
    /// Text of its `Cargo.toml`.
    pub(crate) manifest: String,
    /// What it names under `[dependencies]` and `[build-dependencies]`.
    pub(crate) uses: BTreeSet<String>,
    /// What it names under `[dev-dependencies]`.
    pub(crate) tests_with: BTreeSet<String>,
    /// Its bench targets, each with its source file.
    pub(crate) benches: BTreeMap<String, PathBuf>,
}

/// Root of the checkout that this xtask was built from.
///
/// # Errors
/// When the manifest folder has no parent.
pub(crate) fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in the root of the checkout")
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo fails, for instance because `Cargo.lock` is behind a manifest.
    pub(crate) fn load(config: &Config) -> Result<Self> {
        let root = root()?;
        let metadata = metadata(config)?;
        let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
        let by_id: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
        let name_of = |id| by_id.get(id).map(|package| package.name.to_string());

        let mut workspace = Self { root: root.to_owned(), ..Self::default() };
        for node in &resolve.nodes {
            let Some(name) = name_of(&node.id) else { continue };
            let mut built_with = BTreeSet::new();
            let mut tested_with = BTreeSet::new();
            let package = by_id.get(&node.id).context("a node is a package")?;
            for dependency in node.deps.iter().filter(|dependency| is_on(package, node, dependency)) {
                let Some(other) = name_of(&dependency.pkg) else { continue };
                for kind in &dependency.dep_kinds {
                    match kind.kind {
                        DependencyKind::Development => tested_with.insert(other.clone()),
                        _ => built_with.insert(other.clone()),
                    };
                }
            }
            if metadata.workspace_members.contains(&node.id) {
                let member = member(package, root, &built_with, tested_with)?;
                workspace.members.insert(name.clone(), member);
            }
            workspace.uses.entry(name).or_default().extend(built_with);
        }
        workspace.default_members = metadata.workspace_default_members.iter().filter_map(name_of).collect();
        Ok(workspace)
    }

    /// The shortest way from a package to another through what they are built with, both ends included;
    /// none when it cannot be reached.
    pub(crate) fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        self.way_from([from], to)
    }

    /// As [`Self::way`], also through what a member is tested with.
    pub(crate) fn way_with_tests(&self, member: &str, to: &str) -> Option<Vec<String>> {
        let tests_with = self.members.get(member).into_iter().flat_map(|member| &member.tests_with);
        self.way_from(tests_with.map(String::as_str).chain([member]), to)
    }

    /// Whether building, or testing, the member needs the C++ library.
    pub(crate) fn is_native(&self, member: &str) -> bool {
        self.way_with_tests(member, "torch-sys").is_some()
    }

    /// Names of the members that need libtorch.
    pub(crate) fn native(&self) -> Vec<&str> {
        self.members.keys().map(String::as_str).filter(|name| self.is_native(name)).collect()
    }

    fn way_from<'a>(&'a self, from: impl IntoIterator<Item = &'a str>, to: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for start in from {
            came_from.insert(start, None);
            queue.push_back(start);
        }
        while let Some(here) = queue.pop_front() {
            if here == to {
                let mut way = vec![here.to_owned()];
                let mut at = here;
                while let Some(Some(before)) = came_from.get(at) {
                    way.push((*before).to_owned());
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            for next in self.uses.get(here).into_iter().flatten() {
                if !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, Some(here));
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

fn metadata(config: &Config) -> Result<Metadata> {
    MetadataCommand::new()
        .cargo_path(&config.cargo)
        .current_dir(root()?)
        // Without the filter, cargo would download what only other platforms need.
        .other_options(["--locked".to_owned(), format!("--filter-platform={}", host()?)])
        .exec()
        .context("cannot ask cargo about the workspace")
}

/// Every foreign package that is linked into programs of these members, in the order of names and versions.
///
/// # Errors
/// When cargo fails.
pub(crate) fn linked(config: &Config, members: &[&str]) -> Result<Vec<Package>> {
    let metadata = metadata(config)?;
    let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let is_ours = |id: &PackageId| metadata.workspace_members.contains(id);
    let named = |package: &&Package| is_ours(&package.id) && members.contains(&package.name.as_str());
    let mut queue: Vec<_> = metadata.packages.iter().filter(named).map(|package| &package.id).collect();
    let mut seen: BTreeSet<_> = queue.iter().copied().collect();
    while let Some(id) = queue.pop() {
        let (node, package) = (nodes.get(id).context("a package is a node")?, packages[id]);
        for dependency in node.deps.iter().filter(|dependency| is_on(package, node, dependency)) {
            let mut kinds = dependency.dep_kinds.iter();
            if kinds.any(|kind| kind.kind == DependencyKind::Normal) && seen.insert(&dependency.pkg) {
                queue.push(&dependency.pkg);
            }
        }
    }
    let foreign = seen.into_iter().filter(|id| !is_ours(id)).map(|id| packages[id].clone());
    let mut foreign: Vec<_> = foreign.collect();
    foreign.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(foreign)
}

/// Whether a dependency is built: where it is optional, cargo also lists one that a feature names without asking for it
/// (`name?/feature`).
fn is_on(package: &Package, node: &Node, dependency: &NodeDep) -> bool {
    let called = |name: &str| name.replace('-', "_") == dependency.name;
    let mut declared = package.dependencies.iter();
    let optional =
        declared.all(|other| other.optional || !called(other.rename.as_ref().unwrap_or(&other.name)));
    let asks = |word: &String| {
        called(
            word.strip_prefix("dep:").unwrap_or_else(|| word.split_once('/').map_or(word, |(name, _)| name)),
        )
    };
    let mut words = node.features.iter().flat_map(|name| package.features.get(&**name)).flatten();
    !optional || words.any(asks) || node.features.iter().any(|name| called(name))
}

fn member(
    package: &Package,
    root: &Path,
    uses: &BTreeSet<String>,
    tests_with: BTreeSet<String>,
) -> Result<Member> {
    let path = package.manifest_path.as_std_path();
    let folder = path.parent().context("a manifest stands in a folder")?;
    Ok(Member {
        folder: folder.strip_prefix(root).context("a member stands inside the checkout")?.to_owned(),
        manifest: std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        uses: uses.clone(),
        tests_with,
        benches: package
            .targets
            .iter()
            .filter(|target| target.is_bench())
            .map(|target| (target.name.clone(), target.src_path.clone().into_std_path_buf()))
            .collect(),
    })
}

/// The triple of this machine, as the compiler names it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` names no host; it said: {}", text.trim()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A workspace out of `member: dependency dependency | dev-dependency` lines; packages in `foreign` lines
    /// have the same form and are not members.
    pub(crate) fn fake(members: &[&str], foreign: &[&str]) -> Workspace {
        let mut workspace = Workspace::default();
        let parse = |line: &str| {
            let (name, rest) = line.split_once(':').expect("name: dependencies");
            let (uses, tests) = rest.split_once('|').unwrap_or((rest, ""));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
            (name.to_owned(), words(uses), words(tests))
        };
        for line in members {
            let (name, uses, tests_with) = parse(line);
            let home =
                if ["grail-cli", "grail-programs"].contains(&name.as_str()) { "bins" } else { "crates" };
            let member = Member {
                folder: Path::new(home).join(&name),
                manifest: String::new(),
                uses: uses.clone(),
                tests_with,
                ..Member::default()
            };
            workspace.members.insert(name.clone(), member);
            workspace.uses.insert(name, uses);
        }
        for line in foreign {
            let (name, uses, _) = parse(line);
            workspace.uses.insert(name, uses);
        }
        workspace
    }

    #[test]
    fn the_way_is_the_shortest_and_names_both_ends() {
        let workspace = fake(&["a: b c", "b: d", "c: x", "d: x"], &["x:"]);
        assert_eq!(workspace.way("a", "x").expect("a way"), ["a", "c", "x"]);
        assert_eq!(workspace.way("b", "c"), None);
    }

    #[test]
    fn a_circle_through_packages_ends() {
        let workspace = fake(&["a: b", "b: a"], &[]);
        assert_eq!(workspace.way("a", "elsewhere"), None);
    }

    #[test]
    fn a_crate_that_only_tests_with_the_native_one_is_native_too() {
        let workspace =
            fake(&["infer: tch", "light: serde", "roles: light | infer"], &["tch: torch-sys", "serde:"]);
        assert_eq!(workspace.native(), ["infer", "roles"]);
    }
}
