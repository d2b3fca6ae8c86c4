from jaxrestore.evaluation import curves


def test_a_long_curve_is_drawn_in_buckets_that_keep_its_spike():
    values = [0.0] * 10_001
    values[4321] = 9.0
    buckets = curves._buckets(list(range(10_001)), values)
    assert len(buckets) <= curves.BUCKETS
    assert [step for step, seen in buckets if seen[-1] == 9.0] == [4321 // 51 * 51]
    assert sum(len(seen) for _, seen in buckets) == len(values)


def test_values_that_are_not_finite_are_left_out_of_curves():
    rows = [{"step": s, "loss": v} for s, v in enumerate([1.0, float("nan"), None, 2])]
    assert curves.series(rows, "loss") == ([0, 3], [1.0, 2])


def test_holes_have_a_panel_where_they_were_scored_apart():
    whole = {"step": 1, "evaluation/psnr": 24.0, "evaluation/degraded_psnr": 12.0}
    holes = {"evaluation/hole_psnr": 17.0, "evaluation/degraded_hole_psnr": 5.0}
    drawn = lambda row: curves.figure("q", curves.QUALITY, [row])["panels"]
    assert drawn(whole) == ["PSNR, dB"]
    assert drawn(whole | holes) == ["PSNR, dB", "PSNR in holes, dB"]
