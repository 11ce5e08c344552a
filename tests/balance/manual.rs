//! The table of features in the manual names tests that there are.

use crate::support::features::tests_exist;

#[test]
fn the_tests_of_its_features_exist() {
    tests_exist("docs/balance.md", 30);
}
