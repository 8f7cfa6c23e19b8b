"""The backbone in torch: layers, the neural memory, global branches, fusion, the network."""
