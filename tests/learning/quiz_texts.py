"""Chapters full of definitions, for questions that are made without a model."""

PLANTS = """
## Light

**Photosynthesis** is the process by which a green leaf turns light, water and gas into sugar. The \
**chloroplast** is the small green body in which a cell of the leaf does this work. A **stoma** is \
a tiny opening through which a leaf takes in air. This is why they close at night.

## Water

**Transpiration** is the loss of water from leaf, stem and chloroplast into the dry air. A \
**root hair** is a fine thread by which a plant drinks from the soil. The **cuticle** is a layer \
of wax that keeps the water inside.
"""
LEARNING = """
## 训练

**过拟合**（overfitting）是模型把训练数据中的噪声也当成规律学了进去的现象。\
**欠拟合**（underfitting）是模型过于简单，连主要规律都没有抓住的现象。\
**正则化**（regularization）是在损失中加入对复杂程度的惩罚的方法。

**损失函数**（loss function）是衡量预测与正确答案相差多少的函数。\
**学习率**（learning rate）是控制每一步走多远的超参数。\
**交叉验证**（cross-validation）是轮流用各份数据评价结果的方法。
"""
