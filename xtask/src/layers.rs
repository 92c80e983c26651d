//! Who may import whom: one table, and the check against what cargo says.

use std::collections::BTreeSet;

use crate::workspace::Workspace;

/// A floor of the house. Imports look down it, never up or sideways, save for [`SIDEWAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The words and laws that every participant must agree on.
    Words,
    /// Laws of one subject, and the doors.
    Law,
    /// Decides: verdicts and scores.
    Court,
    /// What third parties depend on.
    Facade,
    /// Touches the world or the device; implements doors.
    Edge,
    /// The roles. They speak to doors, never to an edge.
    Loop,
    /// Puts edges together as an operator's settings say.
    Wiring,
    /// Wires edges into roles.
    Program,
    /// Fakes and generators, for tests only.
    Testkit,
    /// The project's own commands.
    Automation,
}

/// Every package of ours and its floor.
const ROOMS: &[(&str, Layer)] = &[
    ("grail-protocol", Layer::Words),
    ("grail-env", Layer::Law),
    ("grail-artifact", Layer::Law),
    ("grail-ports", Layer::Law),
    ("grail-verify", Layer::Court),
    ("grail", Layer::Facade),
    ("grail-tokenize", Layer::Edge),
    ("grail-fs", Layer::Edge),
    ("grail-store", Layer::Edge),
    ("grail-beacon", Layer::Edge),
    ("grail-chain", Layer::Edge),
    ("grail-devnet", Layer::Edge),
    ("grail-parquet", Layer::Edge),
    ("grail-wallet", Layer::Edge),
    ("grail-torch", Layer::Edge),
    ("grail-roles", Layer::Loop),
    ("grail-config", Layer::Wiring),
    ("grail-node", Layer::Wiring),
    ("grail-lab", Layer::Wiring),
    ("grail-cli", Layer::Program),
    ("grail-demo", Layer::Program),
    ("grail-programs", Layer::Program),
    ("grail-testkit", Layer::Testkit),
    ("xtask", Layer::Automation),
];

/// Imports that do not look down and have a reason: (importer, imported).
const SIDEWAYS: &[(&str, &str)] = &[
    // A door speaks of keys on the shelf.
    ("grail-ports", "grail-artifact"),
    // A tokenizer renders what a problem says to a model.
    ("grail-ports", "grail-env"),
    // Settings become live objects.
    ("grail-node", "grail-config"),
    // Files that are whole or not there, read with a bound, held under a lock: one way for every edge that keeps any.
    ("grail-store", "grail-fs"),
    ("grail-chain", "grail-fs"),
    ("grail-devnet", "grail-fs"),
    ("grail-wallet", "grail-fs"),
    ("grail-torch", "grail-fs"),
    // Every role and every command of the tool, on development networks too.
    ("grail-demo", "grail-programs"),
    ("grail-demo", "grail-cli"),
    // Fakes of the chain and the beacon keep the very rules of the local ones.
    ("grail-testkit", "grail-devnet"),
    // The fake shelves are the shelf over memory.
    ("grail-testkit", "grail-store"),
];

/// Foreign packages that only the named members may name in their manifest.
const NAMED_ONLY_BY: &[(&str, &[&str])] = &[
    ("tch", &["grail-torch"]),
    ("torch-sys", &[]),
    ("parquet", &["grail-parquet"]),
    ("arrow", &["grail-parquet"]),
    ("tokenizers", &["grail-tokenize"]),
    ("object_store", &["grail-store"]),
    ("rusqlite", &["grail-devnet"]),
    ("subxt", &["grail-chain"]),
    ("subxt-rpcs", &["grail-chain"]),
    ("subxt-signer", &["grail-chain"]),
    ("timelock", &["grail-chain"]),
];

/// Foreign packages that a member must not reach by any way.
const OUT_OF_REACH: &[(&str, &[&str])] = &[
    ("grail", &["tch", "torch-sys", "parquet", "subxt", "tokenizers"]),
    ("grail-cli", &["tch", "torch-sys", "rusqlite"]),
    ("grail-config", &["tch", "torch-sys", "tokio", "object_store", "subxt"]),
    ("grail-devnet", &["tch", "torch-sys"]),
    ("grail-node", &["tch", "torch-sys"]),
    ("grail-programs", &["rusqlite"]),
    ("xtask", &["tokio", "reqwest", "tch"]),
];

/// What no pure room reaches: an async runtime, a socket, a database.
const OUT_OF_REACH_OF_PURE_ROOMS: &[&str] = &["tokio", "reqwest", "hyper", "object_store", "rusqlite"];

/// What nothing in the workspace is built or tested with. smoldot is copyleft with an exception for linking: for the
/// development chain, a workspace of its own.
const OUT_OF_THE_HOUSE: &[&str] = &["openssl", "openssl-sys", "native-tls", "smoldot"];

impl Layer {
    /// Whether an ordinary import of `other` looks down.
    fn may_import(self, other: Self) -> bool {
        use Layer::{Automation, Court, Edge, Facade, Law, Loop, Program, Testkit, Wiring, Words};
        match self {
            Words | Automation => false,
            Law => other == Words,
            Court => matches!(other, Words | Law),
            Facade | Edge | Loop | Testkit => matches!(other, Words | Law | Court),
            Wiring => matches!(other, Words | Law | Court | Edge | Loop),
            Program => matches!(other, Words | Law | Court | Facade | Edge | Loop | Wiring),
        }
    }

    /// Rooms without a clock, a file, a socket, a variable, or chance of their own.
    pub(crate) fn is_pure(self) -> bool {
        matches!(self, Self::Words | Self::Law | Self::Court | Self::Facade)
    }
}

/// The floor of a package of ours.
pub(crate) fn layer_of(package: &str) -> Option<Layer> {
    ROOMS.iter().find(|(name, _)| *name == package).map(|(_, layer)| *layer)
}

/// Everything in the graph that breaks the table.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    table_matches_members(workspace, &mut problems);
    for (importer, member) in &workspace.members {
        let ours = |names: &BTreeSet<String>| {
            let known = |name: &String| layer_of(name).map(|layer| (name.clone(), layer));
            names.iter().filter_map(known).collect::<Vec<_>>()
        };
        let Some(layer) = layer_of(importer) else { continue };
        for (imported, other) in ours(&member.uses) {
            if other == Layer::Testkit {
                problems.push(format!(
                    "{importer} has {imported} outside [dev-dependencies]; fakes must not reach a program"
                ));
            } else if !layer.may_import(other) && !SIDEWAYS.contains(&(importer.as_str(), imported.as_str()))
            {
                problems.push(format!("{importer} ({layer:?}) must not import {imported} ({other:?})"));
            }
        }
        for (foreign, holders) in NAMED_ONLY_BY {
            let names_it = member.uses.contains(*foreign) || member.tests_with.contains(*foreign);
            if names_it && !holders.contains(&importer.as_str()) {
                let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
                problems.push(format!("{importer} names {foreign}, which is for {holders} alone"));
            }
        }
        let own = OUT_OF_REACH.iter().filter(|(name, _)| name == importer).flat_map(|(_, targets)| *targets);
        let pure = OUT_OF_REACH_OF_PURE_ROOMS.iter().filter(|_| layer.is_pure());
        let built = own.chain(pure).map(|target| (target, workspace.way(importer, target)));
        let at_all =
            OUT_OF_THE_HOUSE.iter().map(|target| (target, workspace.way_with_tests(importer, target)));
        for (target, way) in built.chain(at_all) {
            if let Some(way) = way {
                problems.push(format!("{importer} must not reach {target}: {}", way.join(" → ")));
            }
        }
    }
    problems
}

fn table_matches_members(workspace: &Workspace, problems: &mut Vec<String>) {
    for name in workspace.members.keys() {
        if layer_of(name).is_none() {
            problems.push(format!("{name} has no floor; give it a line in xtask/src/layers.rs"));
        }
    }
    for (name, _) in ROOMS {
        if !workspace.members.contains_key(*name) {
            problems.push(format!("{name} is in xtask/src/layers.rs and not in the workspace"));
        }
    }
    // Plain `cargo test` must work without libtorch, and must not forget a crate that does.
    for name in workspace.members.keys() {
        match (workspace.is_native(name), workspace.default_members.contains(name)) {
            (true, true) => {
                problems.push(format!("{name} needs libtorch and must not be in default-members"));
            }
            (false, false) => {
                problems.push(format!("{name} needs no libtorch and belongs in default-members"))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::fake;

    /// A house where everything is as it should be; `changed` lines replace those of the same member.
    fn house(changed: &[&str]) -> Workspace {
        let mut lines = vec![
            "grail-protocol: sha2",
            "grail-env: grail-protocol | grail-testkit",
            "grail-artifact: grail-protocol",
            "grail-ports: grail-protocol grail-artifact grail-env",
            "grail-verify: grail-protocol grail-env grail-ports",
            "grail: grail-verify",
            "grail-tokenize: grail-ports tokenizers",
            "grail-fs: grail-ports",
            "grail-store: grail-ports grail-fs object_store",
            "grail-beacon: grail-ports reqwest",
            "grail-chain: grail-ports subxt",
            "grail-devnet: grail-ports rusqlite",
            "grail-parquet: grail-artifact parquet",
            "grail-wallet: grail-ports",
            "grail-torch: grail-ports tch",
            "grail-roles: grail-verify tokio | grail-testkit",
            "grail-config: grail-protocol",
            "grail-node: grail-config grail-roles grail-store",
            "grail-lab: grail-verify grail-torch",
            "grail-cli: grail-node",
            "grail-demo: grail-cli grail-programs grail-devnet",
            "grail-programs: grail-roles grail-torch",
            "grail-testkit: grail-verify",
            "xtask: serde",
        ];
        for line in changed {
            let name = line.split(':').next().expect("a name");
            lines.retain(|other| other.split(':').next() != Some(name));
            lines.push(line);
        }
        let foreign = [
            "sha2:",
            "serde:",
            "tokio:",
            "reqwest: hyper",
            "hyper: tokio",
            "object_store: tokio",
            "rusqlite:",
            "parquet:",
            "tokenizers:",
            "smoldot:",
            "subxt: tokio",
            "tch: torch-sys",
            "torch-sys:",
            "native-tls: openssl",
            "openssl:",
        ];
        let mut workspace = fake(&lines, &foreign);
        workspace.default_members =
            workspace.members.keys().filter(|name| !workspace.is_native(name)).cloned().collect();
        workspace
    }

    #[track_caller]
    fn refused(changed: &[&str], expected: &str) {
        let problems = check(&house(changed));
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:#?}");
    }

    #[test]
    fn a_house_in_order_has_no_problem() {
        assert_eq!(check(&house(&[])), Vec::<String>::new());
    }

    #[test]
    fn an_import_upwards_is_refused() {
        refused(&["grail-env: grail-verify"], "grail-env (Law) must not import grail-verify (Court)");
        refused(&["grail-store: grail-roles"], "grail-store (Edge) must not import grail-roles (Loop)");
    }

    #[test]
    fn an_import_sideways_is_refused_unless_listed() {
        refused(&["grail-store: grail-beacon"], "grail-store (Edge) must not import grail-beacon (Edge)");
        refused(&["grail-artifact: grail-env"], "grail-artifact (Law) must not import grail-env (Law)");
    }

    #[test]
    fn a_role_may_not_know_an_edge() {
        refused(&["grail-roles: grail-store"], "grail-roles (Loop) must not import grail-store (Edge)");
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        refused(
            &["grail-programs: grail-testkit"],
            "grail-programs has grail-testkit outside [dev-dependencies]",
        );
    }

    #[test]
    fn heavy_packages_have_one_holder() {
        let holders = "grail-programs names tch, which is for grail-torch alone";
        refused(&["grail-programs: tch"], holders);
        refused(&["grail-torch: torch-sys"], "grail-torch names torch-sys, which is for nobody alone");
        refused(&["grail-store: | parquet"], "grail-store names parquet, which is for grail-parquet alone");
    }

    #[test]
    fn the_development_chain_stays_in_its_own_workspace_for_tests_too() {
        refused(&["grail-beacon: smoldot"], "grail-beacon must not reach smoldot");
        refused(&["grail-beacon: grail-ports reqwest | smoldot"], "grail-beacon must not reach smoldot");
    }

    #[test]
    fn the_facade_and_the_tool_stay_light_however_long_the_way() {
        refused(
            &["grail-verify: grail-parquet"],
            "grail must not reach parquet: grail → grail-verify → grail-parquet → parquet",
        );
        refused(&["grail-node: grail-torch"], "grail-cli must not reach tch");
        refused(&["grail-node: grail-devnet"], "grail-cli must not reach rusqlite");
    }

    #[test]
    fn pure_rooms_have_no_runtime() {
        refused(
            &["grail-ports: tokio"],
            "grail-verify must not reach tokio: grail-verify → grail-ports → tokio",
        );
    }

    #[test]
    fn openssl_stays_out_of_the_house() {
        refused(&["grail-beacon: native-tls"], "grail-beacon must not reach openssl");
    }

    #[test]
    fn a_new_package_needs_a_line_and_a_gone_one_loses_it() {
        refused(&["grail-new: grail-protocol"], "grail-new has no floor");
        let mut workspace = house(&[]);
        workspace.members.remove("grail-wallet");
        let problems = check(&workspace);
        assert!(
            problems.iter().any(|problem| problem.starts_with("grail-wallet is in xtask")),
            "{problems:?}"
        );
    }

    #[test]
    fn default_members_are_exactly_what_builds_without_libtorch() {
        let mut workspace = house(&[]);
        workspace.default_members.remove("grail-env");
        workspace.default_members.insert("grail-programs".to_owned());
        assert_eq!(
            check(&workspace),
            [
                "grail-env needs no libtorch and belongs in default-members",
                "grail-programs needs libtorch and must not be in default-members",
            ]
        );
    }
}
