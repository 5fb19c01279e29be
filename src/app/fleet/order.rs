//! Natural order of names: `web-2` comes before `web-10`.

use std::cmp::Ordering;

use crate::domain::cluster::ClusterId;

/// Natural order of names, then project and region.
pub fn compare_names(left: &ClusterId, right: &ClusterId) -> Ordering {
    natural(left.name.as_str(), right.name.as_str()).then_with(|| left.cmp(right))
}

/// Compares bytes, but runs of digits by value; ties such as `01` and `1` are broken by the text.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left.as_bytes(), right.as_bytes());
    loop {
        let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let number_before =
            a.iter().take(same).rev().take_while(|byte| byte.is_ascii_digit()).count();
        (a, b) = (rest(a, same - number_before), rest(b, same - number_before));
        let (digits_a, digits_b) = (digits(a), digits(b));
        if digits_a.is_empty() || digits_b.is_empty() {
            return a.cmp(b).then_with(|| left.cmp(right));
        }
        let order = by_value(digits_a, digits_b);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest(a, digits_a.len()), rest(b, digits_b.len()));
    }
}

fn rest(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

fn digits(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(..count).unwrap_or_default()
}

fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    let zeros = |text: &[u8]| text.iter().take_while(|byte| **byte == b'0').count();
    let (a, b) = (rest(a, zeros(a)), rest(b, zeros(b)));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use crate::app::fleet::order::natural;

    #[test]
    fn numbers_in_names_sort_by_value() {
        assert_eq!(natural("web-2", "web-10"), Ordering::Less);
        assert_eq!(natural("web-2", "web-2"), Ordering::Equal);
        assert_eq!(natural("a", "b1"), Ordering::Less);
        assert_eq!(natural("batch-09", "batch-10"), Ordering::Less);
    }

    proptest::proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn names_have_one_order(a in "[a01-]{0,6}", b in "[a01-]{0,6}", c in "[a01-]{0,6}") {
            proptest::prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            proptest::prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
                proptest::prop_assert_ne!(natural(&a, &c), Ordering::Greater);
            }
        }
    }
}
