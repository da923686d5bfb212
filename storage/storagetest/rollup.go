package storagetest

var rollupTests = []named{}
