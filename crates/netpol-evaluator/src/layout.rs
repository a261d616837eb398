//! Where the boxes and labels of a picture stand: in layers from left to right, as a library computes
//! them. A label is a box of its own between the two ends of its edge, so that nothing covers it.

use std::collections::{BTreeMap, BTreeSet};

use rust_sugiyama::configure::Config;
use rust_sugiyama::from_vertices_and_edges;

/// The distance between neighbours, in pixels.
const SPACE: f64 = 26.0;

/// Width and height, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A rectangle, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Place {
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub(super) fn middle(&self) -> f64 {
        self.top + self.height / 2.0
    }
}

/// An edge between two boxes, with the size of what stands at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Size,
}

/// Where everything stands, in the order in which it was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) boxes: Vec<Place>,
    pub(super) labels: Vec<Place>,
}

impl Layout {
    pub(super) fn width(&self) -> f64 {
        self.all().map(Place::right).fold(0.0, f64::max)
    }

    pub(super) fn height(&self) -> f64 {
        self.all().map(Place::bottom).fold(0.0, f64::max)
    }

    fn all(&self) -> impl Iterator<Item = &Place> {
        self.boxes.iter().chain(&self.labels)
    }
}

/// Lays boxes and labels out. Boxes without edges stand in rows below the others. No edge may lead
/// from a box to itself.
pub(super) fn layout(boxes: &[Size], links: &[Link]) -> Layout {
    let all: Vec<Size> = boxes.iter().copied().chain(links.iter().map(|link| link.label)).collect();
    let linked: BTreeSet<usize> = links.iter().flat_map(|link| [link.from, link.to]).collect();
    let mut centers = linked_centers(&all, boxes.len(), links, &linked);
    let at = |index: usize, centers: &BTreeMap<usize, (f64, f64)>| {
        let (x, y) = centers.get(&index).copied().unwrap_or_default();
        let Size { width, height } = all[index];
        Place { left: x - width / 2.0, top: y - height / 2.0, width, height }
    };
    let edge = |of: fn(&Place) -> f64, centers: &BTreeMap<usize, (f64, f64)>| {
        centers.keys().map(|index| of(&at(*index, centers))).fold(0.0, f64::max)
    };
    let (below, wide) = (edge(Place::bottom, &centers), edge(Place::right, &centers).max(900.0));
    let (mut x, mut y) = (0.0, if centers.is_empty() { 0.0 } else { below + SPACE });
    for index in (0..boxes.len()).filter(|index| !linked.contains(index)) {
        let Size { width, height } = all[index];
        if x > 0.0 && x + width > wide {
            (x, y) = (0.0, y + height + SPACE);
        }
        centers.insert(index, (x + width / 2.0, y + height / 2.0));
        x += width + SPACE;
    }
    let mut places = (0..all.len()).map(|index| at(index, &centers));
    Layout { boxes: places.by_ref().take(boxes.len()).collect(), labels: places.collect() }
}

/// The centers of what has edges, and of the labels behind it in the order of `all`.
fn linked_centers(
    all: &[Size],
    boxes: usize,
    links: &[Link],
    linked: &BTreeSet<usize>,
) -> BTreeMap<usize, (f64, f64)> {
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    // the library goes from top to bottom: its width is the height here
    let order: Vec<usize> = linked.iter().copied().chain(boxes..all.len()).collect();
    let vertices: Vec<(u32, (f64, f64))> = order
        .iter()
        .copied()
        .map(|index| (number(index), (all[index].height, all[index].width)))
        .collect();
    let edges: Vec<(u32, u32)> = links
        .iter()
        .enumerate()
        .flat_map(|(at, link)| {
            let label = number(boxes + at);
            [(number(link.from), label), (label, number(link.to))]
        })
        .collect();
    let config = Config { vertex_spacing: SPACE, ..Config::default() };
    let mut centers = BTreeMap::new();
    let mut top = 0.0;
    for (part, _, _) in from_vertices_and_edges(&vertices, &edges, &config) {
        // it names vertices by their place in the list
        let part: Vec<(usize, (f64, f64))> =
            part.into_iter().filter_map(|(at, center)| Some((*order.get(at)?, center))).collect();
        let sides = |of: fn(&Size) -> f64, at: fn(&(f64, f64)) -> f64| {
            let first = part.iter().map(|(index, center)| at(center) - of(&all[*index]) / 2.0);
            let last = part.iter().map(|(index, center)| at(center) + of(&all[*index]) / 2.0);
            (first.fold(f64::INFINITY, f64::min), last.fold(f64::NEG_INFINITY, f64::max))
        };
        let (upper, lower) = sides(|size| size.height, |(x, _)| *x);
        let (left, _) = sides(|size| size.width, |(_, y)| *y);
        for (index, (x, y)) in &part {
            centers.insert(*index, (y - left, x - upper + top));
        }
        top += lower - upper + SPACE;
    }
    centers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn overlap(one: &Place, other: &Place) -> bool {
        one.left < other.right() - 0.5
            && other.left < one.right() - 0.5
            && one.top < other.bottom() - 0.5
            && other.top < one.bottom() - 0.5
    }

    fn graph() -> impl Strategy<Value = (Vec<Size>, Vec<Link>)> {
        let width = 60.0..340.0_f64;
        let boxes = prop::collection::vec(width, 1..30);
        boxes.prop_flat_map(|widths| {
            let count = widths.len();
            let link = (0..count, 0..count, 40.0..120.0_f64);
            (Just(widths), prop::collection::vec(link, 0..60)).prop_map(|(widths, links)| {
                let size = |width| Size { width, height: 40.0 };
                let label = |width| Size { width, height: 14.0 };
                let links = links.into_iter().filter(|(from, to, _)| from != to);
                let links = links.map(|(from, to, width)| Link { from, to, label: label(width) });
                (widths.into_iter().map(size).collect(), links.collect())
            })
        })
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_it_is_the_same_every_time((boxes, links) in graph()) {
            let first = layout(&boxes, &links);
            prop_assert_eq!(&first, &layout(&boxes, &links));
            let all: Vec<&Place> = first.all().collect();
            for (index, one) in all.iter().enumerate() {
                prop_assert!(one.left >= -0.5 && one.top >= -0.5, "{:?}", one);
                for other in &all[index + 1..] {
                    prop_assert!(!overlap(one, other), "{:?} {:?}", one, other);
                }
            }
        }
    }

    #[test]
    fn an_edge_goes_from_left_to_right() {
        let size = Size { width: 100.0, height: 40.0 };
        let label = Size { width: 50.0, height: 14.0 };
        let one = layout(&[size, size, size], &[Link { from: 1, to: 0, label }]);
        assert!(one.boxes[1].right() <= one.labels[0].left);
        assert!(one.labels[0].right() <= one.boxes[0].left);
        assert!(one.boxes[2].top >= one.boxes[0].bottom(), "what has no edge is below");
        assert_eq!(layout(&[], &[]), Layout::default());
    }
}
