package sojourn

// CodecOf returns the form of a keeper of cookies.
func CodecOf(k Keeper) Codec { return k.codec }
