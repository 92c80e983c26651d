//! Variables that others set, and that look like ours.
//!
//! A container platform announces each service in the environment of all programs, under the service's name; the chain's
//! own tools and other subnets' programs on the same machine have names with our prefixes. None of them may stop a program.

use super::table::{self, Setting};

/// Names of Bittensor's own tools, with the setting here that says the same. They are not read: theirs may be set for another
/// subnet on this machine. Who has set only theirs is told.
pub(crate) static OF_BITTENSOR: [(&str, &Setting); 5] = [
    ("BT_WALLET_NAME", &table::WALLET_COLD),
    ("BT_WALLET_HOTKEY", &table::WALLET_HOT),
    ("BT_SUBTENSOR_NETWORK", &table::NETWORK),
    ("BT_SUBTENSOR_CHAIN_ENDPOINT", &table::CHAIN_ENDPOINT),
    ("BT_NETUID", &table::NETUID),
];

/// Whether a container platform sets a variable of this name, whatever its service is called.
///
/// Kubernetes (`{SVC}_SERVICE_HOST`, `{SVC}_SERVICE_PORT`, `{SVC}_SERVICE_PORT_{NAME}`) and the links of Docker, which it
/// copies: `{SVC}_PORT`, `{SVC}_PORT_80_TCP`, and that with `_ADDR`, `_PORT` and `_PROTO`; Docker's `{ALIAS}_NAME` and
/// `{ALIAS}_ENV_{NAME}`. Sources: kubernetes `pkg/kubelet/envvars/envvars.go`, moby `daemon/links/links.go`.
pub(crate) fn is_of_a_platform(name: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = name.split('_').collect();
    let port_of_a_protocol = words.windows(3).any(|three| {
        matches!(three, [port, number, protocol]
            if *port == "PORT" && is_number(number) && PROTOCOLS.contains(protocol))
    });
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    port_of_a_protocol
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || (name.ends_with("_NAME") && value.starts_with('/'))
        || name.contains("_ENV_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_platforms_set_is_known_by_its_shape_whatever_the_service_is_called() {
        for (name, value) in [
            ("GRAIL_PORT", "tcp://192.0.2.7:80"),
            ("GRAIL_SERVICE_HOST", "192.0.2.7"),
            ("GRAIL_SERVICE_PORT", "80"),
            ("GRAIL_SERVICE_PORT_HTTP", "80"),
            ("GRAIL_PORT_80_TCP", "tcp://192.0.2.7:80"),
            ("GRAIL_PORT_80_TCP_ADDR", "192.0.2.7"),
            ("GRAIL_PORT_80_TCP_PORT", "80"),
            ("GRAIL_PORT_80_TCP_PROTO", "tcp"),
            ("GRAIL_PORT_53_UDP_ADDR", "192.0.2.7"),
            ("GRAIL_MODEL_PORT", "udp://192.0.2.7:53"),
            ("GRAIL_TRAINER_SERVICE_HOST", "192.0.2.7"),
            ("GRAIL_CACHE_DIR_PORT_6379_TCP", "tcp://192.0.2.7:6379"),
            ("GRAIL_NAME", "/web/grail"),
            ("GRAIL_ENV_MODEL", "x"),
        ] {
            assert!(is_of_a_platform(name, value), "{name}={value}");
        }
        for (name, value) in [("GRAIL_MODLE", "x"), ("GRAIL_REPORT", "/var"), ("GRAIL_PORTS", "80")] {
            assert!(!is_of_a_platform(name, value), "{name}={value}");
        }
    }

    #[test]
    fn no_setting_of_ours_has_the_shape_of_a_platforms_variable() {
        for setting in table::ALL {
            for value in ["tcp://192.0.2.7:80", "/a/b", "80"] {
                assert!(!is_of_a_platform(setting.variable, value), "{setting}");
            }
        }
        for (name, _) in OF_BITTENSOR {
            assert!(table::by_variable(name).is_none(), "{name}");
        }
    }
}
