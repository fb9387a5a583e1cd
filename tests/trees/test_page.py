"""The interactive page in a headless browser: search, the keyboard, soft parents, the modes of a tensor."""

import shutil

import numpy as np
import pytest

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1300,900",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def find(browser, selector):
    return [node for node in browser.find_elements("css selector", selector) if node.is_displayed()]


def test_a_person_finds_a_topic_by_the_keyboard_alone(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    X = make_hierarchical_blocks(random_state=0).X
    names = [f"word{i}" for i in range(87)]
    tree = hntf.NeuralNMF((9, 4, 2), random_state=0).fit(X).tree(names, sample_names=[f"text{i}" for i in range(90)])
    tree.rename({(2, 1): 'a "name" <of ours>'})
    tree.to_html(tmp_path / "page.html", title="Blocks")
    browser.get(f"file://{tmp_path}/page.html")
    assert browser.title == "Blocks"
    assert len(find(browser, "[role=treeitem]")) == 15

    find(browser, "#search")[0].send_keys(Keys.TAB, Keys.TAB)  # over the buttons
    body = browser.switch_to.active_element
    body.send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("role") == "treeitem"
    focused.send_keys(Keys.ARROW_LEFT)
    assert focused.get_attribute("aria-expanded") == "false"
    focused.send_keys(Keys.ARROW_RIGHT)
    focused.send_keys(Keys.ARROW_DOWN)
    child = browser.switch_to.active_element
    child.send_keys(Keys.ENTER)
    assert child.get_attribute("aria-selected") == "true"
    detail = find(browser, "#detail")[0].text
    assert "Gathers into" in detail
    assert "Largest samples" in detail

    find(browser, "#search")[0].send_keys("name")
    assert find(browser, "#found")[0].text == "1 topic"
    assert 'a "name" <of ours>' in find(browser, "[role=tree]")[0].text
    find(browser, "#search")[0].clear()
    sample = tree.levels[0][3].samples[0][0]
    find(browser, "#search")[0].send_keys(sample)
    hits = [topic for topic in tree if any(sample in name for name, _ in topic.samples)]
    assert find(browser, "#found")[0].text.startswith(str(len(hits)))
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_soft_parents_lead_to_each_other(browser, tmp_path):
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    forest = hntf.NeuralNCPD((7, 4, 2), random_state=0).fit(X).tree(mode="all", n_words=3)
    forest.to_html(tmp_path / "page.html")
    browser.get(f"file://{tmp_path}/page.html")
    trees = find(browser, "[role=tree]")
    assert [tree.get_attribute("aria-label") for tree in trees] == ["mode 1", "mode 2"]
    assert trees[0].location["y"] == trees[1].location["y"]  # side by side
    divided = next(topic for topic in forest[1].levels[0] if len(topic.parents) > 1)
    browser.execute_script("reach(trees[0].byKey.get(arguments[0]).node)", f"1,{divided.index}")
    links = find(browser, "#detail button.link")
    assert len(links) == len(divided.parents)
    weights = [float(cell.text.rstrip(" %")) for cell in find(browser, "#detail table:first-of-type td.number")]
    np.testing.assert_allclose(weights[: len(links)], [100 * part for _, part in divided.parents], atol=0.51)
    links[1].click()
    assert f"Topic {divided.parents[1][0]} of level 2" in find(browser, "#detail")[0].text
