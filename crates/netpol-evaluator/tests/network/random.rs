//! The evaluator and the naive one agree on every edge of random worlds.

use netpol_evaluator::Inventory;

use crate::naive::{self, End};
use crate::support::{endpoint, protocol, verdict};
use crate::worlds::{OUTSIDE, PORTS, PROTOCOLS, World};

#[test]
fn both_evaluators_agree() {
    let (mut edges, mut denied) = (0_u32, 0_u32);
    for seed in 0..120 {
        let world = World::generate(seed);
        let inventory = Inventory::from_objects(world.objects());
        assert!(inventory.unreadable.is_empty(), "seed {seed}: {:?}", inventory.unreadable);
        let ends: Vec<End<'_>> = world
            .pods
            .iter()
            .map(End::Pod)
            .chain(OUTSIDE.iter().map(|address| End::Address(address)))
            .collect();
        for from in &ends {
            for to in &ends {
                for name in PROTOCOLS {
                    for port in PORTS {
                        let expected = naive::allowed(&world, *from, *to, name, u64::from(port));
                        let found = verdict(
                            &inventory,
                            endpoint(&inventory, *from),
                            endpoint(&inventory, *to),
                            protocol(name),
                            port,
                        );
                        assert_eq!(
                            found.allowed(),
                            expected,
                            "seed {seed}, {name} {port}: {found:#?}\n{:#?}",
                            world.policies
                        );
                        edges += 1;
                        denied += u32::from(!expected);
                    }
                }
            }
        }
    }
    // worlds in which nearly all or nearly nothing passes would prove little
    assert!(
        edges > 100_000 && denied > edges / 5 && denied < edges * 4 / 5,
        "{denied} of {edges} denied"
    );
}

#[test]
fn worlds_are_the_same_for_the_same_seed() {
    let text = |seed| World::generate(seed).objects().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
    assert!(World::without_policies(7).policies.is_empty());
}

#[test]
fn worlds_use_every_field() {
    let text: String = (0..40)
        .flat_map(|seed| World::generate(seed).policies)
        .map(|policy| policy.to_string())
        .collect();
    for field in [
        "matchLabels",
        "\"In\"",
        "\"NotIn\"",
        "\"Exists\"",
        "\"DoesNotExist\"",
        "namespaceSelector",
        "ipBlock",
        "except",
        "endPort",
        "\"http\"",
        "\"SCTP\"",
        "policyTypes",
        "\"from\"",
        "\"to\"",
    ] {
        assert!(text.contains(field), "{field}");
    }
}
